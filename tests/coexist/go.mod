module github.com/teranos/libqntx_embed/tests/coexist

go 1.26.0

require (
	github.com/mattn/go-sqlite3 v1.14.53
	github.com/teranos/libqntx_embed/go v0.0.0
)

replace github.com/teranos/libqntx_embed/go => ../../go

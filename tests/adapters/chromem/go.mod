// chromem-go over our vectors, for tests only: the module of the product does not have it.
module github.com/teranos/libqntx_embed/tests/adapters/chromem

go 1.26.0

require (
	github.com/philippgille/chromem-go v0.7.0
	github.com/teranos/libqntx_embed/go v0.0.0
)

replace github.com/teranos/libqntx_embed/go => ../../../go

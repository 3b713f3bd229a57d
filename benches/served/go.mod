module github.com/teranos/libqntx_embed/benches/served

go 1.26.0

require github.com/teranos/libqntx_embed/go v0.0.0

replace github.com/teranos/libqntx_embed/go => ../../go

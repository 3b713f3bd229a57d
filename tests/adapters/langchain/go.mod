// langchaingo over our vectors, for tests only: the module of the product does not have it.
module github.com/teranos/libqntx_embed/tests/adapters/langchain

go 1.26.0

require (
	github.com/teranos/libqntx_embed/go v0.0.0
	github.com/tmc/langchaingo v0.1.14
)

replace github.com/teranos/libqntx_embed/go => ../../../go

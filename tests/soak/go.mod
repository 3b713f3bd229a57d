module github.com/teranos/libqntx_embed/tests/soak

go 1.26

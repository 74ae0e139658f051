module gohttp-oracle

go 1.24

module mux-oracle

go 1.24

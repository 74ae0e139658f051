module sniff-oracle

go 1.24

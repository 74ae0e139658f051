module oxbridge.example/hello

go 1.24

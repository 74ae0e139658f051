module oxbridge.example/embed

go 1.24

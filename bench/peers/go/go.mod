module allocation

go 1.27

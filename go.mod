module github.com/shoalcast/shoal

go 1.26

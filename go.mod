module github.com/anji-platform/anji

go 1.26

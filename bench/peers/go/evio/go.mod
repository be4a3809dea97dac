module peers/evio

go 1.26

require (
	github.com/tidwall/evio v1.0.8
	peers v0.0.0
)

require github.com/kavu/go_reuseport v1.5.0 // indirect

replace peers => ../

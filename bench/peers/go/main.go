// The allocation endpoint as a Go server does it: campaigns in memory, a scan for every request.
// Standard library only.
package main

import (
	"flag"
	"log"
	"net/http"
	"path/filepath"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	workload := flag.String("workload", ".", "the folder with campaigns.json, devices.json, requests.json and keys.json")
	flag.Parse()

	server, err := load(*workload)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/allocations", server.allocate)
	mux.HandleFunc("GET /eligible", server.eligible)
	log.Fatal(http.ListenAndServe(*listen, mux))
}

func load(folder string) (*server, error) {
	campaigns, err := loadCampaigns(filepath.Join(folder, "campaigns.json"))
	if err != nil {
		return nil, err
	}
	signer, err := loadSigner(filepath.Join(folder, "keys.json"))
	if err != nil {
		return nil, err
	}
	server := &server{campaigns: campaigns, signer: signer}
	if err := readJSON(filepath.Join(folder, "devices.json"), &server.profiles); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(folder, "requests.json"), &server.requests); err != nil {
		return nil, err
	}
	return server, nil
}

// Command sniff-oracle answers what Go's own http.DetectContentType makes of data, for
// crates/server/src/sniff/tests.rs to compare with.
//
// It reads lines of hexadecimal digits and writes one content type per line.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		data, err := hex.DecodeString(in.Text())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(out, http.DetectContentType(data))
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}

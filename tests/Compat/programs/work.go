// Goroutines that compute, garbage enough to be collected, a server and its clients, a child.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"sync"
	"time"
)

func work(value uint64) uint64 {
	for step := 0; step < 300000; step++ {
		value = value*6364136223846793005 + 1442695040888963407
	}
	return value >> 33
}

func main() {
	runtime.GOMAXPROCS(4)
	asked, answered := make(chan uint64), make(chan [2]uint64, 64)
	var workers sync.WaitGroup
	for i := 0; i < 8; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for number := range asked {
				garbage := make(map[uint64][]byte)
				for i := uint64(0); i < 200; i++ {
					garbage[i*number%97] = make([]byte, 2000)
				}
				answered <- [2]uint64{number, work(number) + uint64(len(garbage))}
			}
		}()
	}
	go func() {
		for number := uint64(0); number < 6000; number++ {
			asked <- number
		}
		close(asked)
		workers.Wait()
		close(answered)
	}()
	answers := map[uint64]uint64{}
	for answer := range answered {
		answers[answer[0]] = answer[1]
	}
	total := uint64(0)
	for number := uint64(0); number < 6000; number++ {
		total = (total*31 + answers[number]) % 1000000007
	}
	fmt.Println(total)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%x", sha256.Sum256([]byte(r.URL.Path)))
	}))
	var lock sync.Mutex
	var clients sync.WaitGroup
	bodies := []string{}
	for client := 0; client < 8; client++ {
		clients.Add(1)
		go func(client int) {
			defer clients.Done()
			for turn := 0; turn < 100; turn++ {
				response, err := http.Get(fmt.Sprintf("http://%s/%d/%d", listener.Addr(), client, turn))
				if err != nil {
					fmt.Println(err)
					continue
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				lock.Lock()
				bodies = append(bodies, string(body))
				lock.Unlock()
			}
		}(client)
	}
	clients.Wait()
	sort.Strings(bodies)
	fmt.Printf("%d %x\n", len(bodies), sha256.Sum256([]byte(fmt.Sprint(bodies))))

	ticker, ticks := time.NewTicker(5*time.Millisecond), 0
	for deadline := time.After(500 * time.Millisecond); deadline != nil; {
		select {
		case <-ticker.C:
			ticks++
		case <-deadline:
			deadline = nil
		}
	}
	fmt.Println(ticks > 5)
	child := exec.Command("sort", "-n")
	child.Stdin = bytes.NewBufferString("3\n1\n2\n")
	out, err := child.Output()
	fmt.Printf("%q %v\n", out, err)
	os.Exit(19)
}

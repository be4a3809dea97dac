// kv through go-redis, as it comes: client PORT
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"sort"
	"time"

	"github.com/redis/go-redis/v9"
)

func check(what string, got, wanted any) {
	if !reflect.DeepEqual(got, wanted) {
		fmt.Fprintf(os.Stderr, "%s: %#v, not %#v\n", what, got, wanted)
		os.Exit(1)
	}
}

func must[T any](what string) func(T, error) T {
	return func(got T, err error) T {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			os.Exit(1)
		}
		return got
	}
}

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]})
	check("SET", must[string]("SET")(client.Set(ctx, "a", 1, 100*time.Second).Result()), "OK")
	check("GET", must[string]("GET")(client.Get(ctx, "a").Result()), "1")
	check("GET none", client.Get(ctx, "none").Err(), redis.Nil)
	check("INCR", must[int64]("INCR")(client.Incr(ctx, "a").Result()), int64(2))
	check("TTL", must[time.Duration]("TTL")(client.TTL(ctx, "a").Result()) > 90*time.Second, true)
	check("MGET", must[[]any]("MGET")(client.MGet(ctx, "a", "none").Result()), []any{"2", nil})

	transaction := client.TxPipeline()
	set, incr := transaction.Set(ctx, "b", "x", 0), transaction.Incr(ctx, "a")
	must[[]redis.Cmder]("EXEC")(transaction.Exec(ctx))
	check("SET in a transaction", set.Val(), "OK")
	check("INCR in a transaction", incr.Val(), int64(3))
	check("INCR of a text", client.Incr(ctx, "b").Err() != nil, true)
	check("CLIENT ID", must[int64]("CLIENT ID")(client.ClientID(ctx).Result()) > 0, true)

	add := func(between func()) error {
		return client.Watch(ctx, func(watching *redis.Tx) error {
			between()
			_, err := watching.TxPipelined(ctx, func(pipe redis.Pipeliner) error { return pipe.Incr(ctx, "a").Err() })
			return err
		}, "a")
	}
	check("WATCH of what another changes", add(func() { client.Set(ctx, "a", 5, 0) }), redis.TxFailedErr)
	check("WATCH", add(func() {}), nil)
	check("GET after WATCH", must[string]("GET")(client.Get(ctx, "a").Result()), "6")

	keys := []string{}
	for scan := client.Scan(ctx, 0, "*", 1).Iterator(); scan.Next(ctx); {
		keys = append(keys, scan.Val())
	}
	sort.Strings(keys)
	check("SCAN", keys, []string{"a", "b"})
	commands := must[map[string]*redis.CommandInfo]("COMMAND")(client.Command(ctx).Result())
	check("COMMAND", commands["mset"].StepCount, int8(2))
	check("COMMAND", commands["get"].ReadOnly, true)

	pipeline := client.Pipeline()
	for number := range 1000 {
		pipeline.Echo(ctx, number)
	}
	for number, reply := range must[[]redis.Cmder]("a pipeline")(pipeline.Exec(ctx)) {
		check("ECHO", reply.(*redis.StringCmd).Val(), fmt.Sprint(number))
	}
	must[struct{}]("close")(struct{}{}, client.Close())
	fmt.Println("fine")
}

/*
 * A pool of threads for work that would hold a loop up.
 */
#ifndef WORK_POOL_H
#define WORK_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool;

/* What there is to do: the first member of a struct of the program's own. */
struct job {
    struct job *next;
    /* Called once, on a thread of the pool; not if the pool ends before. */
    void (*run)(struct pool *pool, struct job *job);
    /* Called once, after run or alone. */
    void (*destroy)(struct job *job);
};

/* Starts the threads, at least one; NULL if the system does not have so many. They leave the signals to others. */
struct pool *pool_new(size_t threads);

/* Hands a job over. From any thread; does not block. */
void pool_put(struct pool *pool, struct job *job);

/* Waits on a thread of the pool, but not beyond the pool's end. */
void pool_sleep(struct pool *pool, uint64_t milliseconds);

/* Waits for the jobs that run, and gives the others up. May be called again; not on a thread of the pool. */
void pool_end(struct pool *pool);

/* Ends the pool and releases it. NULL is fine. */
void pool_free(struct pool *pool);

#endif

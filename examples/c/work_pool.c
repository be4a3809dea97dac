#define _POSIX_C_SOURCE 200809L

#include "work_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t put;    /* a job is there, or the end has come */
    pthread_cond_t ending; /* the end has come */
    struct job *first, **last;
    bool is_ending;
    size_t count;
    pthread_t threads[];
};

/* The next job; NULL once the end has come. */
static struct job *take(struct pool *pool) {
    struct job *job = NULL;
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_ending && pool->first == NULL) pthread_cond_wait(&pool->put, &pool->lock);
    if (!pool->is_ending) {
        job = pool->first;
        pool->first = job->next;
        if (pool->first == NULL) pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *work(void *pool) {
    struct job *job;
    while ((job = take(pool)) != NULL) {
        job->run(pool, job);
        job->destroy(job);
    }
    return NULL;
}

/* Time-outs count by a clock that nobody sets. */
static bool init_conditions(struct pool *pool) {
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) return false;
    bool is_ready = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                    pthread_cond_init(&pool->put, &monotonic) == 0 &&
                    pthread_cond_init(&pool->ending, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    return is_ready;
}

static bool start_threads(struct pool *pool, size_t threads) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->count < threads && pthread_create(&pool->threads[pool->count], NULL, work, pool) == 0) pool->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->count == threads;
}

struct pool *pool_new(size_t threads) {
    if (threads == 0 || threads > (SIZE_MAX - sizeof(struct pool)) / sizeof(pthread_t)) return NULL;
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof *pool->threads);
    if (pool == NULL) return NULL;
    pool->last = &pool->first;
    if (pthread_mutex_init(&pool->lock, NULL) != 0 || !init_conditions(pool)) {
        free(pool);
        return NULL;
    }
    if (start_threads(pool, threads)) return pool;
    pool_free(pool);
    return NULL;
}

void pool_put(struct pool *pool, struct job *job) {
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    pthread_cond_signal(&pool->put);
    pthread_mutex_unlock(&pool->lock);
}

void pool_sleep(struct pool *pool, uint64_t milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(milliseconds / 1000);
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_ending && pthread_cond_timedwait(&pool->ending, &pool->lock, &until) == 0) continue;
    pthread_mutex_unlock(&pool->lock);
}

void pool_end(struct pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->put);
    pthread_cond_broadcast(&pool->ending);
    pthread_mutex_unlock(&pool->lock);
    while (pool->count > 0) pthread_join(pool->threads[--pool->count], NULL);
    while (pool->first != NULL) {
        struct job *job = pool->first;
        pool->first = job->next;
        job->destroy(job);
    }
    pool->last = &pool->first;
}

void pool_free(struct pool *pool) {
    if (pool == NULL) return;
    pool_end(pool);
    pthread_cond_destroy(&pool->ending);
    pthread_cond_destroy(&pool->put);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

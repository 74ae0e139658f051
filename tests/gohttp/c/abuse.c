/* Serves while four threads use writers that are not theirs: numbers made up, and numbers of handlers
 * that run, or have returned, or return at this moment. "/stop" ends it. */
#include <pthread.h>
#include <stdlib.h>

#include HEADER

enum { THREADS = 4, KEPT = 64 };

static unsigned int kept[KEPT];
static unsigned int next;
static int over;

static void keep(ResponseWriterPtr w, Request *r)
{
    unsigned int place = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);

    (void)r;
    __atomic_store_n(&kept[place % KEPT], w, __ATOMIC_RELAXED);
    ResponseWriter_Write(w, "kept", 4);
}

static void stop(ResponseWriterPtr w, Request *r)
{
    (void)w;
    (void)r;
    Shutdown();
}

static void *abuse(void *seed)
{
    unsigned int state = *(unsigned int *)seed;

    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        unsigned int w;

        state = state * 1103515245u + 12345u;
        w = state & 1 ? state : __atomic_load_n(&kept[(state >> 8) % KEPT], __ATOMIC_RELAXED);
        if (state & 2)
            ResponseWriter_Write(w, "x", 1);
        else
            ResponseWriter_Write(w, NULL, 0);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    unsigned int seeds[THREADS];
    int i;

    if (argc != 2)
        return 2;
    HandleFunc("/", keep);
    HandleFunc("/stop", stop);
    for (i = 0; i < THREADS; i++) {
        seeds[i] = (unsigned int)i;
        if (pthread_create(&threads[i], NULL, abuse, &seeds[i]) != 0)
            return 3;
    }
    ListenAndServe(argv[1]);
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

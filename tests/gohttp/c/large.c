/* Writes eight megabytes, with SIGPIPE left as C programs have it: deadly. */
#include <signal.h>
#include <string.h>

#include HEADER

static char block[1 << 20];

static void large(ResponseWriterPtr w, Request *r)
{
    int i;

    (void)r;
    for (i = 0; i < 8; i++)
        if (ResponseWriter_Write(w, block, sizeof block) != (int)sizeof block)
            return;
}

static void small(ResponseWriterPtr w, Request *r)
{
    (void)r;
    ResponseWriter_Write(w, "alive", 5);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_DFL); /* a parent may have had it ignored, and that is inherited */
    memset(block, 'x', sizeof block);
    HandleFunc("/large", large);
    HandleFunc("/", small);
    ListenAndServe(argv[1]);
    return 0;
}

/* Holds writers for too long: every handler keeps its number, and "/stale" uses the very first one. */
#include <stdio.h>

#include HEADER

static volatile ResponseWriterPtr first;
static volatile int has_first;

static void keep(ResponseWriterPtr w, Request *r)
{
    (void)r;
    if (!has_first) {
        first = w;
        has_first = 1;
    }
    ResponseWriter_Write(w, "kept", 4);
}

static void stale(ResponseWriterPtr w, Request *r)
{
    char text[64];
    int n = ResponseWriter_Write(first, "forged", 6);

    (void)r;
    ResponseWriter_WriteHeader(first, 500);
    n = snprintf(text, sizeof text, "%d %d", n, first == w);
    ResponseWriter_Write(w, text, n);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    HandleFunc("/", keep);
    HandleFunc("/stale", stale);
    ListenAndServe(argv[1]);
    return 0;
}

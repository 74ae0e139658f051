/* The original's example, as its users wrote theirs: void functions, a listening address, a printf. */
#include <stdio.h>

#include HEADER

void handler(ResponseWriterPtr w, Request *req)
{
    char *buf = "Hello, world";
    int n;

    printf("handler: %s %s\n", req->Method, req->URL);
    fflush(stdout);
    n = ResponseWriter_Write(w, buf, 12);
    if (n == EOF) {
        printf("handler: Failed to write.\n");
        return;
    }
    printf("handler: Wrote %d bytes.\n", n);
    fflush(stdout);
}

void stop(ResponseWriterPtr w, Request *req)
{
    (void)w;
    (void)req;
    Shutdown();
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    HandleFunc("/", &handler);
    HandleFunc("/stop", &stop);
    printf("Listening on %s\n", argv[1]);
    fflush(stdout);
    ListenAndServe(argv[1]);
    printf("Stopped\n");
    return 0;
}

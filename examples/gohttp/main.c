/* Answers every request on port 8000 with "Hello, world".
 *
 *     cc -o hello main.c -I../../include -L../../target/release -lgohttp
 */
#include <stdio.h>
#include <string.h>

#include <libgohttp.h>

/* Called by several threads at the same time. */
static void hello(ResponseWriterPtr w, Request *req)
{
    static const char text[] = "Hello, world\n";
    const int length = (int)strlen(text);

    printf("%s %s\n", req->Method, req->URL);
    /* After a write the status cannot change any more, so there is nothing to do about a failed one:
     * the client has gone. */
    if (ResponseWriter_Write(w, text, length) != length)
        fprintf(stderr, "%s %s: the answer was not taken\n", req->Method, req->URL);
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : ":8000";

    HandleFunc("/", hello);
    printf("Listening on %s\n", address);
    fflush(stdout);
    /* Blocks until Shutdown. What is wrong is in the log. */
    return ListenAndServe(address) == 0 ? 0 : 1;
}

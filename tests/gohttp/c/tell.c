/* Tells what it reads of a request: method, host, URL and body, each on a line, then the headers. */
#include <string.h>

#include HEADER

static void put(ResponseWriterPtr w, const char *text)
{
    ResponseWriter_Write(w, (char *)text, (int)strlen(text));
}

static void tell(ResponseWriterPtr w, Request *r)
{
    put(w, r->Method);
    put(w, "\n");
    put(w, r->Host);
    put(w, "\n");
    put(w, r->URL);
    put(w, "\n");
    put(w, r->Body);
    put(w, "\n");
    put(w, r->Headers);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    HandleFunc("/", tell);
    ListenAndServe(argv[1]);
    return 0;
}

/* Each answer ends the serving: a thousand times over. */
#include HEADER

static void once(ResponseWriterPtr w, Request *r)
{
    (void)r;
    Shutdown();
    ResponseWriter_Write(w, "once", 4);
}

int main(int argc, char **argv)
{
    int i;

    if (argc != 2)
        return 2;
    HandleFunc("/", once);
    for (i = 0; i < 1000; i++)
        ListenAndServe(argv[1]);
    return 0;
}

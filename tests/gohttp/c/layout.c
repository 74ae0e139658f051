/* What a program compiled against a header takes for granted, one number a line. */
#include <stddef.h>
#include <stdio.h>

#include HEADER

int main(void)
{
    FuncPtr *handler = NULL;

    printf("%zu\n", sizeof(Request));
    printf("%zu\n", offsetof(Request, Method));
    printf("%zu\n", offsetof(Request, Host));
    printf("%zu\n", offsetof(Request, URL));
    printf("%zu\n", offsetof(Request, Body));
    printf("%zu\n", offsetof(Request, Headers));
    printf("%zu\n", sizeof(ResponseWriterPtr));
    printf("%d\n", (ResponseWriterPtr)-1 > 0);
    printf("%zu\n", sizeof handler);
    printf("%zu\n", sizeof(struct Request_));
    return 0;
}

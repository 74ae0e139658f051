#include <stdio.h>

#include "hi.h"

static void greet(const char *name)
{
    char *hi = say_hi(name);
    puts(hi == NULL ? "no greeting" : hi);
    free_hi(hi);
}

int main(void)
{
    greet("world");
    greet("Zo\xC3\xAB"); /* e with two dots, as UTF-8: two bytes */
    greet("Zo\xEB");     /* the same in Latin-1: one byte, and no UTF-8 */
    greet(NULL);
    return 0;
}

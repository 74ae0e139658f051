#include <inttypes.h>
#include <stdio.h>

#include "answer.h"

int main(void)
{
    printf("%" PRId32 "\n", the_answer());
    printf("digit 0 is %" PRId32 "\n", digit(0));
    printf("digit 7 is %" PRId32 "\n", digit(7));
    return 0;
}

#include <stdint.h>

int32_t the_answer(void)
{
    return 42;
}

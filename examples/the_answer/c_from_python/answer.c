#include <stdint.h>

int32_t the_answer(void)
{
    return 42;
}

int64_t the_long_answer(void)
{
    return (INT64_C(1) << 32) + 42;
}

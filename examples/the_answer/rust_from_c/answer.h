#ifndef ANSWER_H
#define ANSWER_H

#include <stddef.h>
#include <stdint.h>

int32_t the_answer(void);

/* The answer's digit at a place, 0 being the first; -1 where there is none. */
int32_t digit(size_t place);

#endif

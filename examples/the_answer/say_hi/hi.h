#ifndef HI_H
#define HI_H

/* Greets. `name` is UTF-8 that ends in NUL; it is only read, and only during the call. Returns
   UTF-8 that ends in NUL: it is the caller's now, who gives it back to free_hi, never to free.
   Returns NULL if `name` is NULL or no UTF-8. */
char *say_hi(const char *name);

/* Frees what say_hi returned, once. Does nothing with NULL. */
void free_hi(char *hi);

#endif

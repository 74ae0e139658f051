/* The declarations that programs for gohttplib were compiled against, as its own header had them. */
#ifndef ORIGINAL_H
#define ORIGINAL_H

#include <stdlib.h>

typedef struct Request_
{
    const char *Method;
    const char *Host;
    const char *URL;
    const char *Body;
    const char *Headers;
} Request;

typedef unsigned int ResponseWriterPtr;

typedef void FuncPtr(ResponseWriterPtr w, Request *r);

extern void Call_HandleFunc(ResponseWriterPtr w, Request *r, FuncPtr *fn);
extern void ListenAndServe(char *p0);
extern void Shutdown();
extern void HandleFunc(char *p0, FuncPtr *p1);
extern int ResponseWriter_Write(unsigned int p0, char *p1, int p2);
extern void ResponseWriter_WriteHeader(unsigned int p0, int p1);

#endif

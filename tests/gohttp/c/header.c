/* Everything in the header, used, and the header twice. Also a C++ program. */
#include <libgohttp.h>
#include <libgohttp.h>

static void handler(ResponseWriterPtr w, Request *r)
{
    ResponseWriter_WriteHeader(w, 200);
    if (ResponseWriter_Write(w, r->Body, 0) != 0)
        Shutdown();
}

/* The names that cgo's headers bring. */
struct names {
    GoInt8 a; GoUint8 b; GoInt16 c; GoUint16 d; GoInt32 e; GoUint32 f; GoInt64 g; GoUint64 h;
    GoInt i; GoUint j; GoUintptr k; GoFloat32 l; GoFloat64 m; GoString n; GoMap o; GoChan p;
    GoInterface q; GoSlice r; GoComplex64 s; GoComplex128 t;
};

int main(void)
{
    FuncPtr *fn = handler;

    if (sizeof(struct names) == 0)
        Call_HandleFunc(0, NULL, fn);
    HandleFunc("/", fn);
    return ListenAndServe(":8000");
}

# cert: certificates of one's own.

cdef extern from "base/crypto.h":
    void rtc_cleanse(void *p, size_t n)

cdef extern from "proto/dtls_cert.h":
    ctypedef struct rtc_cert_t:
        char cert_pem[1024]
        char key_pem[1024]
        size_t cert_len
        size_t key_len
    int rtc_dtls_cert_make(rtc_cert_t *out, const char *name, int64_t from_s, int64_t until_s) nogil


def make_certificate(str name, int64_t from_s, int64_t until_s):
    """A new certificate on P-256 and its key, both PEM. Times in seconds since 1970."""
    cdef rtc_cert_t made
    cdef bytes text = name.encode("ascii")
    cdef const char *given = text
    cdef int err
    with nogil:
        err = rtc_dtls_cert_make(&made, given, from_s, until_s)
    if err < 0:
        raise err_exception(err, "certificate")
    try:
        return made.cert_pem[:made.cert_len], made.key_pem[:made.key_len]
    finally:
        rtc_cleanse(made.key_pem, sizeof(made.key_pem))

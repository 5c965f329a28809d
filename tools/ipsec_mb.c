/* Compiles where intel-ipsec-mb is there and new enough: setup.py and c.mk ask so. */
#include <intel-ipsec-mb.h>
#if IMB_VERSION_NUM < IMB_VERSION(1, 3, 0)
#error "the bursts came with 1.3"
#endif

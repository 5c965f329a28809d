/* Compiles where libaom's headers are there and new enough: soname.sh asks so. */
#include <aom/aom_encoder.h>
#include <aom/aomcx.h>
static aom_svc_ref_frame_config_t frames = {.reference = {0}, .refresh = {0}};
int main(void) { return AV1E_SET_SVC_REF_FRAME_CONFIG + AOM_USAGE_REALTIME + frames.refresh[0]; }

/* Compiles where libvpx's headers are there and new enough: soname.sh asks so. */
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>
static int temporal_layer_id = VP8E_SET_TEMPORAL_LAYER_ID;
static vpx_svc_layer_id_t id = {.temporal_layer_id_per_spatial = {0}};
int main(void) { return temporal_layer_id + id.temporal_layer_id; }

/* vpx: VP8 and VP9 by libvpx, one encoder with its newest packet, set up as live pictures want it: one pass at a constant
 * rate, no picture waits for another. Bitrate and frame rate change from one picture to the next without a key frame, and so
 * does the size in VP9, as long as a picture can be predicted from one of the old size. Knows neither RTP nor a clock: how
 * far pictures are apart is told by rtc_vpx_set_rate, pts is only carried. Without libvpx nothing opens. */
#ifndef RTC_CODEC_VPX_H
#define RTC_CODEC_VPX_H

#include "codec/video.h"

typedef enum rtc_vpx_codec { RTC_VPX_VP8, RTC_VPX_VP9 } rtc_vpx_codec_t;

typedef struct rtc_vpx rtc_vpx_t;

/* The version as libvpx says it, like "v1.12.0": its length. RTC_ESTATE when this was built without libvpx, or it is not here now. */
RTC_MUST_USE int rtc_vpx_version(char *out, size_t cap);

/* NULL: RTC_EINVAL beyond what is said in video.h, RTC_ENOMEM, RTC_ESTATE without libvpx. */
rtc_vpx_t *rtc_vpx_new(rtc_vpx_codec_t codec, const rtc_video_cfg_t *cfg, int *err);
void rtc_vpx_free(rtc_vpx_t *e); /* NULL is fine */

/* From the next picture on; no key frame. RTC_EINVAL and nothing has changed. */
RTC_MUST_USE int rtc_vpx_set_rate(rtc_vpx_t *e, uint32_t bitrate_bps, double fps);
/* Of the next pictures. 1: the next one will be a key frame, which is always so of VP8; in VP9 when the pictures become
 * larger than the first one was, or a side less than half of the last one's (or more than 16 times). 0 otherwise, RTC_EINVAL. */
RTC_MUST_USE int rtc_vpx_set_size(rtc_vpx_t *e, uint32_t width, uint32_t height);
RTC_MUST_USE int rtc_vpx_set_screen(rtc_vpx_t *e, bool on);

/* 1: *out is the picture's packet; 0: the picture was left out. RTC_EINVAL for strides below the width. */
RTC_MUST_USE int rtc_vpx_encode(rtc_vpx_t *e, const rtc_video_picture_t *picture, int64_t pts, bool key, rtc_video_packet_t *out);

#endif

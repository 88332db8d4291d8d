#include "pages.h"

// The compiler takes the files in as they are, and notices when one changes.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char admin_html[] = {
#embed "../../templates/admin.html"
};
static const unsigned char off_html[] = {
#embed "../../templates/off.html"
};
static const unsigned char admin_css[] = {
#embed "../../templates/admin.css"
};
static const unsigned char admin_js[] = {
#embed "../../templates/admin.js"
};
static const unsigned char api_js[] = {
#embed "../../templates/api.js"
};
static const unsigned char audit_js[] = {
#embed "../../templates/audit.js"
};
static const unsigned char chart_js[] = {
#embed "../../templates/chart.js"
};
static const unsigned char connections_js[] = {
#embed "../../templates/connections.js"
};
static const unsigned char data_js[] = {
#embed "../../templates/data.js"
};
static const unsigned char devices_js[] = {
#embed "../../templates/devices.js"
};
static const unsigned char dialogs_js[] = {
#embed "../../templates/dialogs.js"
};
static const unsigned char dom_js[] = {
#embed "../../templates/dom.js"
};
static const unsigned char exports_js[] = {
#embed "../../templates/exports.js"
};
static const unsigned char format_js[] = {
#embed "../../templates/format.js"
};
static const unsigned char json_js[] = {
#embed "../../templates/json.js"
};
static const unsigned char live_js[] = {
#embed "../../templates/live.js"
};
static const unsigned char overview_js[] = {
#embed "../../templates/overview.js"
};
static const unsigned char record_js[] = {
#embed "../../templates/record.js"
};
static const unsigned char settings_js[] = {
#embed "../../templates/settings.js"
};
static const unsigned char theme_js[] = {
#embed "../../templates/theme.js"
};
static const unsigned char users_js[] = {
#embed "../../templates/users.js"
};
static const unsigned char icon_svg[] = {
#embed "../../templates/icon.svg"
};

static const struct page_file files[] = {
    {"admin.html", admin_html, sizeof admin_html},
    {"off.html", off_html, sizeof off_html},
    {"admin.css", admin_css, sizeof admin_css},
    {"admin.js", admin_js, sizeof admin_js},
    {"api.js", api_js, sizeof api_js},
    {"audit.js", audit_js, sizeof audit_js},
    {"chart.js", chart_js, sizeof chart_js},
    {"connections.js", connections_js, sizeof connections_js},
    {"data.js", data_js, sizeof data_js},
    {"devices.js", devices_js, sizeof devices_js},
    {"dialogs.js", dialogs_js, sizeof dialogs_js},
    {"dom.js", dom_js, sizeof dom_js},
    {"exports.js", exports_js, sizeof exports_js},
    {"format.js", format_js, sizeof format_js},
    {"json.js", json_js, sizeof json_js},
    {"live.js", live_js, sizeof live_js},
    {"overview.js", overview_js, sizeof overview_js},
    {"record.js", record_js, sizeof record_js},
    {"settings.js", settings_js, sizeof settings_js},
    {"theme.js", theme_js, sizeof theme_js},
    {"users.js", users_js, sizeof users_js},
    {"icon.svg", icon_svg, sizeof icon_svg},
};

const struct page_file *page_file_at(size_t index) {
    return index < sizeof files / sizeof files[0] ? &files[index] : NULL;
}

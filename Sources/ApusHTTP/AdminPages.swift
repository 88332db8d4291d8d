import ApusCore
import Crypto
import Mustache
import NIOCore
import NIOHTTP1

/// The dashboard: one page and what it loads, made at the start and then only given out.
///
/// Everything it shows it asks of the administrator's routes, as any other client would.
struct AdminPages: Sendable {
    /// A template that is none; only one from a directory can be.
    struct BadTemplate: Error, CustomStringConvertible {
        var name: String
        var cause: String

        var description: String { "the template \(name) cannot be used: \(cause)" }
    }

    private let page: HTTPReply
    private let assets: [String: HTTPReply]

    private static let pageName = "admin.html"

    /// The page's sections: where they are behind `#/`, and what they are called.
    private static let sections = [
        ("overview", "Overview"), ("users", "Users"), ("data", "Data"), ("live", "Live"),
        ("connections", "Connections"), ("devices", "Devices"), ("audit", "Audit log"), ("exports", "Exports"),
        ("settings", "Settings"),
    ]

    /// - Throws: `BadTemplate`.
    init(files: [String: [UInt8]], version: String) throws {
        let template: MustacheTemplate
        do {
            template = try MustacheTemplate(string: String(decoding: files[Self.pageName] ?? [], as: UTF8.self))
        } catch {
            throw BadTemplate(name: Self.pageName, cause: "\(error)")
        }
        let text = template.render([
            "version": version, "sections": Self.sections.map { ["id": $0.0, "title": $0.1] },
        ])
        page = HTTPReply(
            status: .ok, headers: Self.headers + [("Cache-Control", "no-store")],
            contentType: Self.htmlType, body: ByteBuffer(string: text))
        assets = Dictionary(
            uniqueKeysWithValues: files.compactMap { name, bytes in
                Self.contentType(of: name).map { (name, Self.asset(bytes, contentType: $0)) }
            })
    }

    var routes: [Route] {
        [
            Route(method: .GET, pattern: "/admin", access: .administrator) { [page] exchange in
                exchange.reply(page)
            },
            Route(method: .GET, pattern: "/admin/assets/{name}", access: .administrator) {
                [assets] exchange throws(ApusError) in
                guard let asset = assets[exchange.parameters[0]] else {
                    throw ApusError(.notFound, "there is no such asset")
                }
                exchange.reply(Self.isKnown(asset, to: exchange) ? Self.notModified(asset) : asset)
            },
        ]
    }

    /// What a browser shows instead of asking for a password that there is none of; `nil` for any other refusal.
    static func refusal(_ error: ApusError, of exchange: Exchange) -> HTTPReply? {
        guard error.code == .unauthenticated, exchange.context.settings.login == nil,
            exchange.target.segments == ["admin"], exchange.header("Accept")?.contains("text/html") == true
        else { return nil }
        return off
    }

    private static let off = HTTPReply(
        status: .unauthorized, headers: headers + [("WWW-Authenticate", "Bearer")], contentType: htmlType,
        body: ByteBuffer(bytes: PageFiles.embedded["off.html"] ?? []))

    private static let htmlType = "text/html; charset=utf-8"

    /// Nothing but the page's own scripts runs, whatever anybody writes into a record (CSP Level 3).
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    private static let headers = [
        (name: "Content-Security-Policy", value: policy), (name: "X-Content-Type-Options", value: "nosniff"),
        (name: "X-Frame-Options", value: "DENY"), (name: "Referrer-Policy", value: "no-referrer"),
        (name: "Cross-Origin-Opener-Policy", value: "same-origin"),
        (name: "Cross-Origin-Resource-Policy", value: "same-origin"),
    ]

    /// `nil` for what is not given out as it is.
    private static func contentType(of name: String) -> String? {
        switch name.split(separator: ".").last {
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        default: nil
        }
    }

    private static func asset(_ bytes: [UInt8], contentType: String) -> HTTPReply {
        let tag = SHA256.hash(data: bytes).prefix(16).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }
        return HTTPReply(
            status: .ok, headers: headers + [("Cache-Control", "no-cache"), (tagName, "\"\(tag.joined())\"")],
            contentType: contentType, body: ByteBuffer(bytes: bytes))
    }

    private static let tagName = "ETag"

    private static func isKnown(_ asset: HTTPReply, to exchange: Exchange) -> Bool {
        let tag = asset.headers.last { $0.name == tagName }?.value ?? ""
        return exchange.head.headers[canonicalForm: "If-None-Match"].contains {
            $0 == tag || $0 == "W/\(tag)" || $0 == "*"
        }
    }

    private static func notModified(_ asset: HTTPReply) -> HTTPReply {
        HTTPReply(status: .notModified, headers: asset.headers)
    }
}

import ApusCore
import NIOHTTP1

/// Keeps pages of others from using a login that the browser sends along by itself.
///
/// A browser says where a request comes from in `Origin` and in `Sec-Fetch-Site` (the Fetch Metadata draft); what it
/// lets no page of others add is a header of ours. A program that sends none of them was not tricked by a page.
enum OwnOrigin {
    /// What a page of ours says when it changes something.
    static let pageHeader = "X-Apus-Dashboard"

    /// - Throws: `origin-not-allowed`.
    static func check(_ head: HTTPRequestHead) throws(ApusError) {
        let headers = head.headers
        let host = headers.first(name: "Host") ?? ""
        guard headers["Origin"].allSatisfy({ isOwn($0, host: host) }) else {
            throw ApusError(.originNotAllowed, "a page of another origin may not use the login")
        }
        let site = headers["Sec-Fetch-Site"]
        switch head.method {
        case .GET, .HEAD, .OPTIONS:
            // Typed in, or a link that was followed; but no picture or script of another page.
            let isVisit = headers["Sec-Fetch-Mode"] == ["navigate"] && headers["Sec-Fetch-Dest"] == ["document"]
            guard isVisit || site.allSatisfy({ $0 == "same-origin" || $0 == "none" }) else {
                throw ApusError(.originNotAllowed, "a page of another site may not use the login")
            }
        default:
            guard headers[pageHeader] == ["1"] else {
                throw ApusError(.originNotAllowed, "to change something with the login, send \(pageHeader): 1")
            }
            guard site.allSatisfy({ $0 == "same-origin" }) else {
                throw ApusError(.originNotAllowed, "a page of another site may not use the login")
            }
        }
    }

    /// Whether `origin` is the one the request was sent to. The scheme is the browser's business: behind a proxy the
    /// server does not know it.
    static func isOwn(_ origin: String, host: String) -> Bool {
        let origin = origin.lowercased()
        for (scheme, port) in [("http://", ":80"), ("https://", ":443")] where origin.hasPrefix(scheme) {
            let named = without(port, Substring(origin.utf8.dropFirst(scheme.utf8.count)))
            return !named.isEmpty && named.utf8.elementsEqual(without(port, Substring(host.lowercased())).utf8)
        }
        return false
    }

    private static func without(_ port: String, _ authority: Substring) -> Substring {
        authority.hasSuffix(port) ? authority.dropLast(port.count) : authority
    }
}

import ApusCore
import ApusProtocol
import NIOCore

// What a client asks for in frames, by the rules that hold for requests.
extension WebSocketSession {
    /// - Parameters:
    ///   - byteCount: of the frame's text.
    ///   - room: what the text has had of the room that clients share until here.
    func take(_ frame: ClientFrame, _ byteCount: Int, _ room: BodyRoom.Share?) {
        do throws(ApusError) {
            let request = try frame.request.get()
            if case .ping = request {
                answer(.acknowledged(.plain, id: frame.id))
                return
            }
            if case .authenticate(let token) = request {
                authenticate(token, id: frame.id)
                return
            }
            try context.service.admit(subscriber.principal)
            switch request {
            case .ping, .authenticate: break
            case .subscribe(let wish):
                try context.service.authorize(subscriber.principal, for: wish.owner)
                subscriber.subscribe(to: wish.scope ?? .everything, wish.resume, id: frame.id)
            case .unsubscribe(let wish):
                try context.service.authorize(subscriber.principal, for: wish.owner)
                subscriber.unsubscribe(from: wish.scope, id: frame.id)
            case .write(let write):
                try context.service.authorize(subscriber.principal, for: write.body.owner)
                commit(write, id: frame.id, try share(of: byteCount, given: room))
            }
        } catch {
            answer(refusal(of: frame.type, error, id: frame.id))
        }
    }

    /// Answers at once, or when the frames before are answered.
    private func answer(_ message: ServerMessage) {
        answers.fill(answers.take(), with: message)
        sendAnswers()
    }

    private func answer(_ ticket: AnswerQueue.Ticket, _ message: ServerMessage) {
        answers.fill(ticket, with: message)
        sendAnswersSoon()
    }

    /// The error's frame; the audit log counts those that say "you may not".
    private func refusal(of type: String, _ error: ApusError, id: JSONText?) -> ServerMessage {
        let requestID = lane.state.nextRequestID()
        lane.state.meters.refused(error.code)
        switch error.code.status {
        case 401, 403, 429: context.service.noteRefusal(error, of: "socket.\(type)", origin: origin(requestID))
        default: break
        }
        if error.cause != nil, error.code.status >= 500 { context.log(error, requestID: requestID) }
        return .error(error, id: id, requestID: requestID)
    }

    private func origin(_ requestID: String) -> RequestOrigin {
        RequestOrigin(actor: "user:\(subscriber.user)", ip: address, requestID: requestID)
    }

    private func commit(_ write: FrameWrite, id: JSONText?, _ room: BodyRoom.Share?) {
        let requestID = lane.state.nextRequestID()
        let isBulk = write.isBulk
        let claim = write.idempotencyKey.map {
            IdempotencyClaim(key: $0, parts: ["socket"], body: write.fingerprint, isBulk: isBulk, requestID: requestID)
        }
        let request = WriteRequest(
            owner: write.body.owner, items: write.body.items, isAtomic: write.body.isAtomic, isBulk: isBulk,
            idempotency: claim, principal: subscriber.principal, origin: origin(requestID))
        let ticket = answers.take(holding: room)
        isBulkUnderWay = isBulk
        let bound = NIOLoopBound(self, eventLoop: lane.loop)
        context.service.write(request) { [lane] result in
            lane.post {
                let session = bound.value
                if isBulk { session.isBulkUnderWay = false }
                session.answer(
                    ticket,
                    { () -> ServerMessage in
                        switch result {
                        case .success(let answer):
                            let body = answer.encoded(isBulk: isBulk, requestID: requestID)
                            return .acknowledged(.answer(body), id: id)
                        case .failure(let error):
                            return session.refusal(of: isBulk ? "bulk" : "write", error, id: id)
                        }
                    }())
            }
        }
    }

    private func authenticate(_ token: String, id: JSONText?) {
        let ticket = answers.take()
        Authentication(context: context, lane: lane).admit(token, from: address) { [self] result in
            do throws(ApusError) {
                let principal = try result.get().principal
                try context.service.authorize(principal, for: subscriber.user)
                subscriber.renew(principal)
                answer(ticket, .acknowledged(.renewed(until: principal.expiresAt), id: id))
            } catch {
                answer(ticket, refusal(of: "auth", error, id: id))
            }
        }
    }
}

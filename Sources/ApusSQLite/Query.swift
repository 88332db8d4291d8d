/// Every statement a connection prepares, once, when it is first needed.
///
/// Where an index decides whether a query takes microseconds or minutes it is named, so that no planner can choose.
enum Query: Int, CaseIterable {
    case begin, beginWriting, commit, rollBack
    case ownerByName, ownersAfter, insertOwner, updateOwner
    case scopeByName, scopeByNumber, insertScope
    case recordByKey, keptValueByKey, keptValues, recordsInKeyOrder, rowsInKeyOrder, changesOfOwner, changesOfScope
    case newestChange, firstChangeFrom, collections, usage, totals
    case insertRecord, updateRecord, buryRecord, forgetValue, deleteRecord, expiredRecords, oldTombstones
    case userByID, usersAfter, upsertUser, deleteUser
    case deviceByID, devicesOfOwner, devicesAfter, upsertDevice, deleteDevice, deleteDevicesOfOwner
    case tokensOfUser, tokenByID, tokensAfter, upsertToken
    case revocations, upsertRevocation, cutoffs, upsertCutoff
    case answerByKey, answersAfter, upsertAnswer
    case auditBefore, auditAfter, insertAudit
    case noteByName, upsertNote, deleteNote, updateEpoch
    case forgetAnswers, forgetAudit, forgetTokens, forgetRevocations

    /// The columns ``RecordRows`` reads, in its order. What a tombstone keeps is not even read.
    private static let record = """
        r.id, r.scope, r.key, r.seq, r.committed_at, r.updated_at, r.deleted_at, r.expires_at,
        CASE WHEN r.deleted_at IS NULL THEN r.value END
        """
    private static let audit = "at, actor, ip, request_id, action, target, outcome, detail, number, previous"
    private static let device = "owner, id, name, platform, registered_at, last_seen_at"
    private static let token = "id, user, issued_at, expires_at, generation, claims"

    var text: String {
        switch self {
        case .begin: "BEGIN"
        case .beginWriting: "BEGIN IMMEDIATE"
        case .commit: "COMMIT"
        case .rollBack: "ROLLBACK"
        case .ownerByName, .ownersAfter, .insertOwner, .updateOwner, .scopeByName, .scopeByNumber, .insertScope:
            nameText
        case .recordByKey, .keptValueByKey, .keptValues, .recordsInKeyOrder, .rowsInKeyOrder, .changesOfOwner,
            .changesOfScope, .newestChange, .firstChangeFrom, .collections, .usage:
            readText
        case .totals: totalsText
        case .insertRecord, .updateRecord, .buryRecord, .forgetValue, .deleteRecord, .expiredRecords, .oldTombstones:
            writeText
        case .userByID, .usersAfter, .upsertUser, .deleteUser, .tokensOfUser, .tokenByID, .tokensAfter,
            .upsertToken, .revocations,
            .upsertRevocation, .cutoffs, .upsertCutoff:
            accountText
        case .deviceByID, .devicesOfOwner, .devicesAfter, .upsertDevice, .deleteDevice, .deleteDevicesOfOwner:
            deviceText
        case .answerByKey, .answersAfter, .upsertAnswer, .auditBefore, .auditAfter, .insertAudit, .forgetAnswers,
            .forgetAudit, .forgetTokens,
            .forgetRevocations:
            journalText
        case .noteByName: "SELECT value FROM meta WHERE name = 'note:' || ?1"
        case .upsertNote: "INSERT OR REPLACE INTO meta (name, value) VALUES ('note:' || ?1, ?2)"
        case .deleteNote: "DELETE FROM meta WHERE name = 'note:' || ?1"
        case .updateEpoch: "UPDATE meta SET value = ?1 WHERE name = 'epoch'"
        }
    }

    private var nameText: String {
        switch self {
        case .ownerByName: "SELECT id, last_seq, last_committed_at, purged_through FROM owners WHERE name = ?1"
        case .ownersAfter:
            """
            SELECT id, last_seq, last_committed_at, purged_through, name FROM owners
            WHERE name > ?1 ORDER BY name LIMIT ?2
            """
        case .insertOwner: "INSERT INTO owners (name) VALUES (?1)"
        case .updateOwner:
            "UPDATE owners SET last_seq = ?2, last_committed_at = ?3, purged_through = ?4 WHERE id = ?1"
        case .scopeByName: "SELECT id FROM scopes WHERE owner = ?1 AND collection = ?2"
        case .scopeByNumber:
            "SELECT o.name, s.collection FROM scopes s JOIN owners o ON o.id = s.owner WHERE s.id = ?1"
        default: "INSERT INTO scopes (owner, collection) VALUES (?1, ?2)"
        }
    }

    private var readText: String {
        switch self {
        case .recordByKey:
            "SELECT \(Self.record) FROM records r INDEXED BY records_by_key WHERE r.scope = ?1 AND r.key = ?2"
        case .keptValueByKey:
            """
            SELECT r.value FROM records r INDEXED BY records_by_key
            WHERE r.scope = ?1 AND r.key = ?2 AND r.deleted_at IS NOT NULL AND r.value IS NOT NULL
            """
        case .keptValues:
            """
            SELECT r.scope, r.key FROM records r INDEXED BY records_by_seq
            WHERE r.owner = ?1 AND r.deleted_at IS NOT NULL AND r.value IS NOT NULL ORDER BY r.seq LIMIT ?2
            """
        case .recordsInKeyOrder:
            """
            SELECT \(Self.record) FROM records r INDEXED BY records_by_key
            WHERE r.scope = ?1 AND r.key > ?2 AND r.deleted_at IS NULL AND (r.expires_at IS NULL OR r.expires_at > ?3)
            ORDER BY r.key
            """
        case .rowsInKeyOrder:
            """
            SELECT \(Self.record) FROM records r INDEXED BY records_by_key
            WHERE r.scope = ?1 AND r.key > ?2
                AND (r.expires_at IS NULL OR r.deleted_at IS NOT NULL OR r.expires_at > ?3)
            ORDER BY r.key
            """
        case .changesOfOwner:
            """
            SELECT \(Self.record) FROM records r INDEXED BY records_by_seq
            WHERE r.owner = ?1 AND r.seq > ?2
                AND (r.expires_at IS NULL OR r.deleted_at IS NOT NULL OR r.expires_at > ?3)
            ORDER BY r.seq
            """
        case .changesOfScope:
            """
            SELECT \(Self.record) FROM records r INDEXED BY records_by_seq
            WHERE r.owner = ?1 AND r.seq > ?2 AND r.scope = ?4
                AND (r.expires_at IS NULL OR r.deleted_at IS NOT NULL OR r.expires_at > ?3)
            ORDER BY r.seq
            """
        case .newestChange:
            "SELECT seq FROM records INDEXED BY records_by_seq WHERE owner = ?1 ORDER BY seq DESC LIMIT 1"
        case .firstChangeFrom:
            """
            SELECT seq, committed_at FROM records INDEXED BY records_by_seq
            WHERE owner = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1
            """
        case .collections:
            """
            SELECT s.collection, count(*) FROM scopes s CROSS JOIN records r INDEXED BY records_by_key
            WHERE s.owner = ?1 AND r.scope = s.id
                AND r.deleted_at IS NULL AND (r.expires_at IS NULL OR r.expires_at > ?2)
            GROUP BY s.collection ORDER BY s.collection
            """
        default:
            """
            SELECT count(*), coalesce(sum(length(value)), 0) FROM records INDEXED BY records_by_seq
            WHERE owner = ?1 AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)
            """
        }
    }

    /// Indexes only, the narrowest there are: rows are not read.
    private var totalsText: String {
        """
        SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM records INDEXED BY records_by_seq),
            (SELECT count(*) FROM records INDEXED BY tombstones_by_commit WHERE deleted_at IS NOT NULL),
            (SELECT count(*) FROM records INDEXED BY records_by_end
                WHERE expires_at IS NOT NULL AND deleted_at IS NULL AND expires_at <= ?1),
            (SELECT count(*) FROM devices), (SELECT count(*) FROM revocations)
        """
    }

    private var writeText: String {
        switch self {
        case .insertRecord:
            """
            INSERT INTO records (seq, committed_at, updated_at, deleted_at, expires_at, value, owner, scope, key)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """
        case .updateRecord:
            """
            UPDATE records SET seq = ?1, committed_at = ?2, updated_at = ?3, deleted_at = ?4, expires_at = ?5,
                value = ?6
            WHERE id = ?7
            """
        case .buryRecord:
            """
            UPDATE records SET seq = ?1, committed_at = ?2, updated_at = ?3, deleted_at = ?4, expires_at = ?5
            WHERE id = ?6
            """
        case .forgetValue:
            """
            UPDATE records INDEXED BY records_by_key SET value = NULL
            WHERE scope = ?1 AND key = ?2 AND deleted_at IS NOT NULL AND value IS NOT NULL
            """
        case .deleteRecord: "DELETE FROM records WHERE id = ?1"
        case .expiredRecords:
            """
            SELECT scope, key FROM records INDEXED BY records_by_end
            WHERE expires_at IS NOT NULL AND deleted_at IS NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2
            """
        default:
            """
            SELECT \(Self.record) FROM records r INDEXED BY tombstones_by_commit
            WHERE r.deleted_at IS NOT NULL AND r.committed_at < ?1 ORDER BY r.committed_at LIMIT ?2
            """
        }
    }

    private var accountText: String {
        switch self {
        case .userByID: "SELECT id, display_name, created_at FROM users WHERE id = ?1"
        case .usersAfter: "SELECT id, display_name, created_at FROM users WHERE id > ?1 ORDER BY id LIMIT ?2"
        case .upsertUser: "INSERT OR REPLACE INTO users (id, display_name, created_at) VALUES (?1, ?2, ?3)"
        case .deleteUser: "DELETE FROM users WHERE id = ?1"
        case .tokensOfUser:
            """
            SELECT \(Self.token) FROM tokens INDEXED BY tokens_by_user
            WHERE user = ?1 AND expires_at > ?2 ORDER BY issued_at DESC, number DESC LIMIT ?3
            """
        case .tokenByID: "SELECT \(Self.token) FROM tokens WHERE id = ?1"
        case .tokensAfter:
            "SELECT \(Self.token), number FROM tokens WHERE number > ?1 ORDER BY number LIMIT ?2"
        case .upsertToken: "INSERT OR REPLACE INTO tokens (\(Self.token)) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        case .revocations: "SELECT token, keep_until FROM revocations ORDER BY token"
        case .upsertRevocation: "INSERT OR REPLACE INTO revocations (token, keep_until) VALUES (?1, ?2)"
        case .cutoffs: "SELECT user, generation, issued_through FROM cutoffs ORDER BY user"
        default: "INSERT OR REPLACE INTO cutoffs (user, generation, issued_through) VALUES (?1, ?2, ?3)"
        }
    }

    private var deviceText: String {
        switch self {
        case .deviceByID: "SELECT \(Self.device) FROM devices WHERE owner = ?1 AND id = ?2"
        case .devicesOfOwner:
            "SELECT \(Self.device) FROM devices WHERE owner = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        case .devicesAfter:
            "SELECT \(Self.device) FROM devices WHERE (owner, id) > (?1, ?2) ORDER BY owner, id LIMIT ?3"
        case .upsertDevice: "INSERT OR REPLACE INTO devices (\(Self.device)) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        case .deleteDevice: "DELETE FROM devices WHERE owner = ?1 AND id = ?2"
        default: "DELETE FROM devices WHERE owner = ?1"
        }
    }

    private var journalText: String {
        switch self {
        case .answerByKey: "SELECT stored_at, fingerprint, body FROM answers WHERE owner = ?1 AND key = ?2"
        case .answersAfter:
            """
            SELECT stored_at, fingerprint, body, key FROM answers
            WHERE owner = ?1 AND key > ?2 ORDER BY key
            """
        case .upsertAnswer:
            """
            INSERT OR REPLACE INTO answers (owner, key, stored_at, fingerprint, body) VALUES (?1, ?2, ?3, ?4, ?5)
            """
        case .auditBefore: "SELECT \(Self.audit) FROM audit WHERE number < ?1 ORDER BY number DESC LIMIT ?2"
        case .auditAfter: "SELECT \(Self.audit) FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2"
        case .insertAudit: "INSERT INTO audit (\(Self.audit)) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        case .forgetAnswers: "DELETE FROM answers WHERE stored_at < ?1"
        case .forgetAudit: "DELETE FROM audit WHERE number <= ?1"
        case .forgetTokens: "DELETE FROM tokens WHERE expires_at < ?1"
        default: "DELETE FROM revocations WHERE keep_until < ?1"
        }
    }
}

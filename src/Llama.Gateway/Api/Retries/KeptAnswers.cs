using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Grains.Gateway;
using Llama.Grains.Answers;
using Llama.Grains.Generation;

namespace Llama.Gateway.Api.Retries;

/// <summary>
/// The answers of requests with an <c>Idempotency-Key</c>: while they are generated, and for <see cref="KeepTime"/> after. They are bounded in
/// number and bytes, in all and for each client; the oldest that is complete makes place. One that is forgotten, or that another gateway
/// gave, begins with the tokens that a silo has a record of; without one it is generated again from its prompt, with the same seed.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="gateway">Finds the records.</param>
/// <param name="runner">Generates.</param>
/// <param name="time">Measures how long answers are kept.</param>
/// <param name="serving">Tells when the gateway ends answers because it stops.</param>
/// <param name="logger">Told of answers that go on.</param>
internal sealed partial class KeptAnswers(
    ServedModel model, IGateway gateway, ChoiceRunner runner, TimeProvider time, ServingTime serving,
    ILogger<KeptAnswers> logger)
{
    /// <summary>How long a complete answer is kept.</summary>
    public static readonly TimeSpan KeepTime = TimeSpan.FromMinutes(5);

    /// <summary>Answers of one client.</summary>
    public const int MostOfClient = 32;

    /// <summary>Answers in all.</summary>
    public const int Most = 512;

    private const long MostBytesOfClient = 8 << 20;
    private const long MostBytes = 64 << 20;

    // About what a piece with its token, and each alternative, take as objects and in the record.
    private const int PieceBytes = 220;
    private const int LogprobBytes = 24;

    private readonly Lock gate = new();
    private readonly Dictionary<(string Client, string Key), KeptAnswer> answers = [];
    private readonly Dictionary<string, long> bytesOfClients = [];
    private long bytes;

    /// <summary>All answers that are kept.</summary>
    public IReadOnlyList<KeptAnswer> All
    {
        get
        {
            lock (gate) return [.. answers.Values];
        }
    }

    /// <summary>The answer to a request: the one that its key already has, or one that begins now, with what silos know of it.</summary>
    /// <param name="key">The request's key.</param>
    /// <param name="plan">The request.</param>
    /// <param name="idPrefix">How the id of a new one begins.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="ApiException">The key belongs to another request, or no further answer can be kept.</exception>
    /// <exception cref="GenerationException">The cluster is not ready.</exception>
    public async Task<KeptAnswer> TakeAsync(RetryKey key, GenerationPlan plan, string idPrefix, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (Find(key) is { } present) return present;
        }

        var found = await gateway.Records.FindAsync(key.RecordName, cancellationToken);
        var record = AnswerRecord.Read(found.Span, model.VocabSize);
        if (record is not null && record.Request != key.Request) throw Reused(key);
        lock (gate)
        {
            // The same request may have come again in the meantime.
            if (Find(key) is { } present) return present;
            if (!MakePlace(OfClient(key.Client), MostOfClient) || !MakePlace(answers.Values, Most))
            {
                throw new ApiException(
                    StatusCodes.Status429TooManyRequests,
                    $"Too many requests with an Idempotency-Key are in flight: at most {MostOfClient} of a client, {Most} in all.",
                    code: "rate_limit_exceeded", retryAfter: TimeSpan.FromSeconds(1));
            }

            var answer = record is null ? new KeptAnswer(key, idPrefix, time) : new KeptAnswer(key, record, found.Span, time);
            answers.Add(key.Name, answer);
            if (record is not null) Log.GoesOn(logger, answer.Id, record.TokenCount);
            _ = FillAsync(answer, record is null ? plan : plan.GoOn(record));
            return answer;
        }
    }

    /// <summary>Has an answer end with its last reader, if it is not complete: its client will not ask again.</summary>
    /// <param name="answer">The answer.</param>
    public void GiveUp(KeptAnswer answer)
    {
        lock (gate)
        {
            if (answer.CompletedAt is null) Remove(answer);
        }
    }

    /// <summary>The answer of a key; null when there is none.</summary>
    private KeptAnswer? Find(RetryKey key)
    {
        foreach (var old in answers.Values.Where(answer => answer.CompletedAt is { } at && time.GetElapsedTime(at) > KeepTime).ToList())
            Remove(old);
        return !answers.TryGetValue(key.Name, out var present) ? null : present.Key == key ? present : throw Reused(key);
    }

    private static ApiException Reused(RetryKey key) => new(
        StatusCodes.Status422UnprocessableEntity,
        $"Idempotency-Key '{key.Key}' came with another request before; expected the same one, or another key.",
        code: "idempotency_key_reused");

    /// <summary>Owns the generation: it ends with its pieces, a fault, or the gateway, and never throws.</summary>
    private async Task FillAsync(KeptAnswer answer, GenerationPlan plan)
    {
        await Task.Yield();
        var isGood = await answer.FillAsync(
            cancellation => runner.RunAsync(plan, cancellation), piece => Count(answer, piece), serving.Ended);
        lock (gate)
        {
            answer.CompletedAt = time.GetTimestamp();

            // What failed may succeed when it is tried again.
            if (!isGood) Remove(answer);
        }

        answer.Dispose();
    }

    private void Count(KeptAnswer answer, ChoicePiece piece)
    {
        lock (gate)
        {
            if (!IsKept(answer)) return;
            var text = piece.Text.Length + piece.Calls.Sum(call => call.Arguments.Length);
            Count(answer, PieceBytes + (2 * (text + piece.Token.Prompt.Length)) + (LogprobBytes * piece.Token.TopLogprobs.Count));
            while (IsKept(answer) && (bytes > MostBytes || bytesOfClients[answer.Key.Client] > MostBytesOfClient))
            {
                // Without a complete one it is this one that goes: who reads it already gets all of it, and who comes later another.
                Remove(OldestComplete(OfClient(answer.Key.Client)) ?? OldestComplete(answers.Values) ?? answer);
            }
        }
    }

    private void Count(KeptAnswer answer, long more)
    {
        answer.Bytes += more;
        bytes += more;
        var ofClient = bytesOfClients.GetValueOrDefault(answer.Key.Client) + more;
        if (ofClient > 0) bytesOfClients[answer.Key.Client] = ofClient;
        else bytesOfClients.Remove(answer.Key.Client);
    }

    private bool MakePlace(ICollection<KeptAnswer> among, int most)
    {
        if (among.Count < most) return true;
        if (OldestComplete(among) is not { } old) return false;
        Remove(old);
        return true;
    }

    private void Remove(KeptAnswer answer)
    {
        if (!IsKept(answer)) return;
        answers.Remove(answer.Key.Name);
        Count(answer, -answer.Bytes);
        answer.Forget();
    }

    private bool IsKept(KeptAnswer answer) => answers.GetValueOrDefault(answer.Key.Name) == answer;

    private KeptAnswer[] OfClient(string client) => [.. answers.Values.Where(answer => answer.Key.Client == client)];

    private static KeptAnswer? OldestComplete(IEnumerable<KeptAnswer> some) =>
        some.Where(answer => answer.CompletedAt is not null).MinBy(answer => answer.CompletedAt);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Answer {Id} goes on after {Tokens} tokens that a silo has kept")]
        public static partial void GoesOn(ILogger logger, string id, int tokens);
    }
}

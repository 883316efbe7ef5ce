using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;

namespace Llama.Gateway.Api.Retries;

/// <summary>
/// The answers of requests with an <c>Idempotency-Key</c>: while they are generated, and for <see cref="KeepTime"/> after. They are bounded in
/// number and bytes, in all and for each client; the oldest that is complete makes place. One that is forgotten, or that another gateway
/// gave, is generated again from its prompt, with the same seed.
/// </summary>
/// <param name="runner">Generates.</param>
/// <param name="time">Measures how long answers are kept.</param>
/// <param name="lifetime">Tells when the gateway stops.</param>
internal sealed class KeptAnswers(ChoiceRunner runner, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>How long a complete answer is kept.</summary>
    public static readonly TimeSpan KeepTime = TimeSpan.FromMinutes(5);

    /// <summary>Answers of one client.</summary>
    public const int MostOfClient = 32;

    /// <summary>Answers in all.</summary>
    public const int Most = 512;

    private const long MostBytesOfClient = 8 << 20;
    private const long MostBytes = 64 << 20;

    // About what a piece with its token, and each alternative, take as objects.
    private const int PieceBytes = 200;
    private const int CandidateBytes = 16;

    private readonly Lock gate = new();
    private readonly Dictionary<(string Client, string Key), KeptAnswer> answers = [];
    private readonly Dictionary<string, long> bytesOfClients = [];
    private long bytes;

    /// <summary>The answer to a request: the one that its key already has, or a new one, which begins.</summary>
    /// <param name="key">The request's key.</param>
    /// <param name="plan">The request.</param>
    /// <param name="idPrefix">How the id of a new one begins.</param>
    /// <exception cref="ApiException">The key belongs to another request, or no further answer can be kept.</exception>
    public KeptAnswer Take(RetryKey key, GenerationPlan plan, string idPrefix)
    {
        lock (gate)
        {
            foreach (var old in answers.Values.Where(answer => answer.CompletedAt is { } at && time.GetElapsedTime(at) > KeepTime).ToList())
                Remove(old);
            if (answers.TryGetValue(key.Name, out var present))
            {
                if (present.Key == key) return present;
                throw new ApiException(
                    StatusCodes.Status422UnprocessableEntity,
                    $"Idempotency-Key '{key.Key}' came with another request before; expected the same one, or another key.",
                    code: "idempotency_key_reused");
            }

            if (!MakePlace(OfClient(key.Client), MostOfClient) || !MakePlace(answers.Values, Most))
            {
                throw new ApiException(
                    StatusCodes.Status429TooManyRequests,
                    $"Too many requests with an Idempotency-Key are under way: at most {MostOfClient} of a client, {Most} in all.",
                    code: "rate_limit_exceeded", retryAfter: TimeSpan.FromSeconds(1));
            }

            var answer = new KeptAnswer(key, AnswerWriter.NewId(idPrefix), time.GetUtcNow(), time);
            answers.Add(key.Name, answer);
            _ = FillAsync(answer, plan);
            return answer;
        }
    }

    /// <summary>Owns the generation: it ends with its pieces, a fault, or the gateway, and never throws.</summary>
    private async Task FillAsync(KeptAnswer answer, GenerationPlan plan)
    {
        await Task.Yield();
        var isGood = await answer.FillAsync(
            cancellation => runner.RunAsync(plan, cancellation), piece => Count(answer, piece), lifetime.ApplicationStopping);
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
            Count(answer, PieceBytes + (2 * piece.Text.Length) + (CandidateBytes * piece.Token.Candidates.Count));
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
}

using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Llama.Grains.Generation;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Grains.Answers;

/// <summary>
/// What another gateway needs to go on with an answer: which request it belongs to, and the tokens that were sampled. As bytes, little-endian:
/// the hash of the request (32), when it came (8, milliseconds of Unix time), the length of the answer's id (1) and the id in UTF-8; then
/// each token as it was sampled: its choice (1), why the choice ended (1; 0 where it goes on), the number of its top logprobs (1; 128 more
/// where something of the prompt follows), the cached tokens of the prompt (4), and the sampled token and the top logprobs, each its id (4) and
/// log-probability (4); then what is told of the prompt, its length (4) and the bytes. So a record only grows, and one that is cut off
/// anywhere is a shorter record.
/// </summary>
public sealed class AnswerRecord
{
    private const int HashBytes = SHA256.HashSizeInBytes;
    private const int IdOffset = HashBytes + 9;
    private const int TokenBytes = 15;
    private const int LogprobBytes = 8;
    private const byte HasPrompt = 0x80;

    private static readonly long LastTime = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private readonly List<List<GeneratedToken>> choices = [];

    private AnswerRecord(string id, DateTimeOffset created, string request)
    {
        Id = id;
        Created = created;
        Request = request;
    }

    /// <summary>The answer's id.</summary>
    public string Id { get; }

    /// <summary>When its first request came.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>The hash of the request: 64 hexadecimal digits, upper case.</summary>
    public string Request { get; }

    /// <summary>Bytes up to the end of the last token that is whole.</summary>
    public int Length { get; private set; }

    /// <summary>Tokens in all choices.</summary>
    public int TokenCount => choices.Sum(tokens => tokens.Count);

    /// <summary>The tokens of a choice, from the first.</summary>
    /// <param name="choice">Its index.</param>
    public IReadOnlyList<GeneratedToken> Tokens(int choice) => choice < choices.Count ? choices[choice] : [];

    /// <summary>What the record of a client's request is called: nobody can tell the client or the key from it.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="key">The client's key.</param>
    public static string NameOf(string client, string key)
    {
        ArgumentNullException.ThrowIfNull(client);
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{client.Length} {client} {key}")));
    }

    /// <summary>Begins a record.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="id">The answer's id, at most 255 bytes of UTF-8.</param>
    /// <param name="created">When its first request came.</param>
    /// <param name="request">The hash of the request, 64 hexadecimal digits.</param>
    public static void WriteStart(IBufferWriter<byte> target, string id, DateTimeOffset created, string request)
    {
        ArgumentNullException.ThrowIfNull(target);
        byte[] name = Encoding.UTF8.GetBytes(id);
        Span<byte> bytes = target.GetSpan(IdOffset + name.Length);
        Convert.FromHexString(request).CopyTo(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[HashBytes..], created.ToUnixTimeMilliseconds());
        bytes[IdOffset - 1] = checked((byte)name.Length);
        name.CopyTo(bytes[IdOffset..]);
        target.Advance(IdOffset + name.Length);
    }

    /// <summary>Adds a token.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="choice">The index of its choice.</param>
    /// <param name="token">The token.</param>
    public static void WriteToken(IBufferWriter<byte> target, int choice, GeneratedToken token)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(token);
        int length = TokenBytes + (token.TopLogprobs.Count * LogprobBytes);
        bool hasPrompt = !token.Prompt.IsEmpty;
        Span<byte> bytes = target.GetSpan(length + (hasPrompt ? sizeof(int) + token.Prompt.Length : 0));
        bytes[0] = checked((byte)choice);
        bytes[1] = token.Finish is { } finish ? (byte)(finish + 1) : (byte)0;
        bytes[2] = (byte)(checked((byte)token.TopLogprobs.Count) | (hasPrompt ? HasPrompt : 0));
        BinaryPrimitives.WriteInt32LittleEndian(bytes[3..], token.CachedTokens);
        Write(bytes[7..], token.Sampled);
        for (int i = 0; i < token.TopLogprobs.Count; i++) Write(bytes[(TokenBytes + (i * LogprobBytes))..], token.TopLogprobs[i]);
        target.Advance(length);
        if (!hasPrompt) return;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[length..], token.Prompt.Length);
        token.Prompt.Span.CopyTo(bytes[(length + sizeof(int))..]);
        target.Advance(sizeof(int) + token.Prompt.Length);
    }

    /// <summary>Reads a record as far as it is whole and good: its keeper may have got less, or be broken.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="vocabSize">Tokens of the model.</param>
    /// <returns>The record; null where there is none that has a token.</returns>
    public static AnswerRecord? Read(ReadOnlySpan<byte> source, int vocabSize)
    {
        if (source.Length < IdOffset) return null;
        int end = IdOffset + source[IdOffset - 1];
        long created = BinaryPrimitives.ReadInt64LittleEndian(source[HashBytes..]);
        if (end == IdOffset || source.Length < end || created < 0 || created > LastTime) return null;
        var record = new AnswerRecord(
            Encoding.UTF8.GetString(source[IdOffset..end]), DateTimeOffset.FromUnixTimeMilliseconds(created),
            Convert.ToHexString(source[..HashBytes])) { Length = end };
        ReadOnlySpan<byte> rest = source[end..];
        while (!rest.IsEmpty && rest[0] is var choice && TryReadToken(ref rest, vocabSize, out GeneratedToken? token)
            && PromptLogprobs.FindFault(token.Prompt.Span, vocabSize, out _) is null && record.TryAdd(choice, token))
            record.Length = source.Length - rest.Length;
        return record.Length > end ? record : null;
    }

    private bool TryAdd(int choice, GeneratedToken token)
    {
        while (choices.Count <= choice) choices.Add([]);
        if (choices[choice] is [.., { Finish: not null }]) return false;
        choices[choice].Add(token);
        return true;
    }

    /// <summary>Reads a token as <see cref="WriteToken"/> writes it.</summary>
    /// <param name="source">The bytes; advanced behind the token if it is whole and good.</param>
    /// <param name="vocabSize">Tokens of the model.</param>
    /// <param name="token">The token.</param>
    internal static bool TryReadToken(ref ReadOnlySpan<byte> source, int vocabSize, [NotNullWhen(true)] out GeneratedToken? token)
    {
        token = null;
        if (source.Length < TokenBytes || source[1] > (int)FinishReason.Length + 1) return false;
        int top = source[2] & ~HasPrompt;
        int length = TokenBytes + (top * LogprobBytes);
        int cached = BinaryPrimitives.ReadInt32LittleEndian(source[3..]);
        if (top > Step.MaxTopLogprobs || cached < 0 || source.Length < length) return false;
        ReadOnlySpan<byte> prompt = default;
        if ((source[2] & HasPrompt) != 0 && !TryReadPrompt(source[length..], out prompt)) return false;
        var tokens = new TokenLogprob[1 + top];
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<byte> bytes = source[(7 + (i * LogprobBytes))..];
            tokens[i] = new TokenLogprob(BinaryPrimitives.ReadInt32LittleEndian(bytes), BinaryPrimitives.ReadSingleLittleEndian(bytes[4..]));
            if ((uint)tokens[i].Token >= (uint)vocabSize || float.IsNaN(tokens[i].LogProbability)) return false;
        }

        FinishReason? finish = source[1] == 0 ? null : (FinishReason)(source[1] - 1);
        token = new GeneratedToken(tokens[0], tokens[1..], finish, cached, prompt.ToArray());
        source = source[(length + (prompt.IsEmpty ? 0 : sizeof(int) + prompt.Length))..];
        return true;
    }

    private static bool TryReadPrompt(ReadOnlySpan<byte> source, out ReadOnlySpan<byte> prompt)
    {
        prompt = default;
        if (source.Length < sizeof(int)) return false;
        int length = BinaryPrimitives.ReadInt32LittleEndian(source);
        if (length < 1 || length > source.Length - sizeof(int)) return false;
        prompt = source.Slice(sizeof(int), length);
        return true;
    }

    private static void Write(Span<byte> target, TokenLogprob logprob)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, logprob.Token);
        BinaryPrimitives.WriteSingleLittleEndian(target[4..], logprob.LogProbability);
    }
}

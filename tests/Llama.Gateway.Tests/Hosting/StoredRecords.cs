using Llama.Grains.Answers;

namespace Llama.Gateway.Tests.Hosting;

/// <summary>The records of one silo, without a link to it.</summary>
internal sealed class StoredRecords : IAnswerRecords
{
    private readonly AnswerStore silo = new(TimeProvider.System);

    public string? Keeper { get; set; } = "silo-1";

    /// <summary>Runs before parts are taken.</summary>
    public Func<CancellationToken, Task> BeforeAppend { get; set; } = _ => Task.CompletedTask;

    /// <summary>Whether the silo answers.</summary>
    public bool Answers { get; set; } = true;

    public async Task<IReadOnlyList<int>?> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken)
    {
        await BeforeAppend(cancellationToken);
        if (!Answers) return null;
        return silo.Append(parts);
    }

    public Task<ReadOnlyMemory<byte>> FindAsync(string name, CancellationToken cancellationToken) =>
        Task.FromResult<ReadOnlyMemory<byte>>(silo.Read(new RecordPlace(name, 0)).Bytes.ToArray());

    /// <summary>Waits until a record has a number of tokens.</summary>
    public async Task HasAsync(string client, string key, int tokens)
    {
        for (var tries = 0; tries < 1000; tries++)
        {
            var bytes = await FindAsync(AnswerRecord.NameOf(client, key), TestContext.Current.CancellationToken);
            if (AnswerRecord.Read(bytes.Span, TestTokenizer.FirstWord + 1000)?.TokenCount == tokens) return;
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        Assert.Fail($"There is no record of {key} with {tokens} tokens.");
    }
}

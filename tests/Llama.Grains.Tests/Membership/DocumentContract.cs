using System.Globalization;
using Llama.Grains.Membership;

namespace Llama.Grains.Tests.Membership;

/// <summary>What every store promises.</summary>
public abstract class DocumentContract : IAsyncLifetime
{
    private const int Writers = 4;
    private const int Increments = 25;

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Write_OfTheRevisionRead_IsReadByOthers()
    {
        using IMembershipDocument document = await OpenAsync();
        using IMembershipDocument other = await OpenAsync();
        StoredDocument none = await document.ReadAsync(Patience.Token);
        Assert.Null(none.Text);

        Assert.True(await document.TryWriteAsync("eins, zwei, drei: äöü 1", none.Revision, "1", Patience.Token));

        StoredDocument first = await other.ReadAsync(Patience.Token);
        Assert.Equal("eins, zwei, drei: äöü 1", first.Text);
        Assert.True(await other.TryWriteAsync("2", first.Revision, "2", Patience.Token));
        Assert.Equal("2", (await document.ReadAsync(Patience.Token)).Text);
    }

    [Fact]
    public async Task Write_OfAnOlderRevision_IsRefused()
    {
        using IMembershipDocument document = await OpenAsync();
        StoredDocument none = await document.ReadAsync(Patience.Token);
        Assert.True(await document.TryWriteAsync("1", none.Revision, "1", Patience.Token));
        StoredDocument first = await document.ReadAsync(Patience.Token);
        Assert.True(await document.TryWriteAsync("2", first.Revision, "2", Patience.Token));

        Assert.False(await document.TryWriteAsync("other", none.Revision, "other", Patience.Token));
        Assert.False(await document.TryWriteAsync("other", first.Revision, "other", Patience.Token));

        Assert.Equal("2", (await document.ReadAsync(Patience.Token)).Text);
    }

    [Fact]
    public async Task Write_DocumentLostSinceItWasRead_IsRefused()
    {
        using IMembershipDocument document = await OpenAsync();
        Assert.True(await document.TryWriteAsync("1", (await document.ReadAsync(Patience.Token)).Revision, "1", Patience.Token));
        StoredDocument first = await document.ReadAsync(Patience.Token);
        Assert.True(await document.TryWriteAsync("2", first.Revision, "2", Patience.Token));
        StoredDocument second = await document.ReadAsync(Patience.Token);

        await LoseAsync();

        Assert.Null((await document.ReadAsync(Patience.Token)).Text);
        Assert.False(await document.TryWriteAsync("3", second.Revision, "3", Patience.Token));
        Assert.Null((await document.ReadAsync(Patience.Token)).Text);
    }

    [Fact]
    public async Task Write_ManyAtATime_NoneIsLost()
    {
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(async () =>
        {
            using IMembershipDocument document = await OpenAsync();
            await IncrementAsync(document, Increments);
        })));

        using IMembershipDocument reader = await OpenAsync();
        Assert.Equal($"{Writers * Increments}", (await reader.ReadAsync(Patience.Token)).Text?.Split(' ')[0]);
    }

    [Fact]
    public async Task Read_LongestDocument_IsWhole()
    {
        using IMembershipDocument document = await OpenAsync();
        string text = string.Concat(Enumerable.Range(0, StoredDocument.MaxBytes / 16).Select(i => i.ToString("D16", CultureInfo.InvariantCulture)));
        Assert.True(await document.TryWriteAsync(text, (await document.ReadAsync(Patience.Token)).Revision, "0000000000000001", Patience.Token));
        Assert.Equal(text, (await document.ReadAsync(Patience.Token)).Text);
    }

    /// <summary>Counts in a document, one write a count.</summary>
    internal static async Task IncrementAsync(IMembershipDocument document, int times)
    {
        for (int i = 0; i < times;)
        {
            (string? text, string revision) = await document.ReadAsync(Patience.Token);
            string[] parts = (text ?? "0").Split(' ');
            string id = Guid.NewGuid().ToString("N");
            int next = int.Parse(parts[0], CultureInfo.InvariantCulture) + 1;

            // As a membership document does, the text holds the names of the last writes.
            if (await document.TryWriteAsync(string.Join(' ', parts.Skip(1).Append(id).TakeLast(64).Prepend($"{next}")), revision, id, Patience.Token)) i++;
        }
    }

    /// <summary>Opens the document as a process does.</summary>
    private protected abstract Task<IMembershipDocument> OpenAsync();

    /// <summary>Loses it.</summary>
    private protected abstract Task LoseAsync();
}

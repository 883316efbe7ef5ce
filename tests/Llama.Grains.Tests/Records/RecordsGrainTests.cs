using Llama.Grains.Hosting;
using Llama.Grains.Records;
using Llama.Grains.Stages;
using Llama.Grains.Tests.Directory;
using Llama.Grains.Tests.Gateway;
using Llama.Grains.Tests.Links;
using Llama.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace Llama.Grains.Tests.Records;

public sealed class RecordsGrainTests
{
    private readonly ManualTime time = new();
    private readonly RecordsGrain grain;

    public RecordsGrainTests() => grain = new RecordsGrain(time);

    [Fact]
    public async Task AppendAsync_PartsThatFollowEachOther_BecomeOneRecord()
    {
        Assert.Equal(3, await AppendAsync("a", 0, 1, 2, 3));
        Assert.Equal(5, await AppendAsync("a", 3, 4, 5));
        Assert.Equal(5, await AppendAsync("a", 5));
        Assert.Equal([1, 2, 3, 4, 5], await ReadAsync("a"));
        Assert.Equal([1], await AppendAllAsync(new RecordPart("b", 0, new byte[1])));
        Assert.Equal(2, grain.Kept.Records);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public async Task AppendAsync_PartThatDoesNotFollow_IsNotTakenAndTheLengthIsAnswered(int offset)
    {
        await AppendAsync("a", 0, 1, 2, 3);
        Assert.Equal(3, await AppendAsync("a", offset, 9));
        Assert.Equal(0, await AppendAsync("b", offset, 9));
        Assert.Equal([1, 2, 3], await ReadAsync("a"));
        Assert.Equal(1, grain.Kept.Records);
    }

    [Fact]
    public async Task AppendAsync_PartAtTheBeginning_BeginsTheRecordAnew()
    {
        await AppendAsync("a", 0, 1, 2, 3);
        Assert.Equal(1, await AppendAsync("a", 0, 9));
        Assert.Equal([9], await ReadAsync("a"));
        Assert.Equal(1, grain.Kept.Records);
    }

    [Fact]
    public async Task AppendAsync_MoreRecordsThanAreKept_TheOnesThatHaveNotChangedForLongestGo()
    {
        for (int i = 0; i < RecordsGrain.Most; i++)
        {
            await AppendAsync($"{i}", 0, 1);
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        await AppendAsync("0", 1, 2);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await AppendAsync("one more", 0, 1);
        await AppendAsync("and one more", 0, 1);
        Assert.Equal(RecordsGrain.Most, grain.Kept.Records);
        Assert.Equal([1, 2], await ReadAsync("0"));
        Assert.Empty(await ReadAsync("1"));
        Assert.Empty(await ReadAsync("2"));
        Assert.Equal([1], await ReadAsync("3"));
    }

    [Fact]
    public async Task AppendAsync_MoreBytesThanAreKept_StaysWithinTheBounds()
    {
        byte[] page = new byte[RecordsGrain.PageBytes];
        for (int record = 0; record < 12; record++)
        {
            int length = 0;
            while (await AppendAsync($"{record}", length, page) is var next && next > length) length = next;
            Assert.InRange(length, RecordsGrain.MostBytesOfRecord - page.Length + 1, RecordsGrain.MostBytesOfRecord);
            Assert.InRange(grain.Kept.Bytes, length, 64 << 20);
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(grain.Kept.Records, 4, 8);
        Assert.Empty(await ReadAsync("0"));
        Assert.NotEmpty(await ReadAsync("11"));
    }

    [Fact]
    public async Task ReadAsync_RecordThatHasNotChangedForLong_IsForgotten()
    {
        await AppendAsync("a", 0, 1);
        await AppendAsync("b", 0, 1);
        time.Advance(RecordsGrain.KeepTime);
        await AppendAsync("b", 1, 2);
        Assert.Equal([1], await ReadAsync("a"));
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Empty(await ReadAsync("a"));
        Assert.Equal([1, 2], await ReadAsync("b"));
        Assert.Equal(1, grain.Kept.Records);
        time.Advance(RecordsGrain.KeepTime);
        Assert.Empty(await ReadAsync("b"));
        Assert.Equal((0, 0), grain.Kept);
    }

    [Fact]
    public async Task ReadAsync_LongRecord_ComesInPages()
    {
        byte[] bytes = new byte[(2 * RecordsGrain.PageBytes) + 7];
        new Random(1).NextBytes(bytes);
        await AppendAsync("a", 0, bytes);
        List<byte> read = [];
        while (read.Count < bytes.Length)
        {
            RecordPage page = await grain.ReadAsync("a", read.Count, Patience.Token);
            Assert.Equal(bytes.Length, page.Length);
            Assert.InRange(page.Bytes.Length, 1, RecordsGrain.PageBytes);
            read.AddRange(page.Bytes.Span);
        }

        Assert.Equal(bytes, read);
        Assert.Equal(0, (await grain.ReadAsync("a", int.MaxValue, Patience.Token)).Bytes.Length);
        Assert.Equal(bytes[..RecordsGrain.PageBytes], (await grain.ReadAsync("a", -5, Patience.Token)).Bytes.ToArray());
    }

    [Fact]
    public async Task Calls_OverALink_MalformedOnesAreRefusedAndTheSiloGoesOn()
    {
        await using var silo = new SiloNode(
            new SiloSettings
            {
                Identity = LinkPair.Identity("silo-1"),
                OpenCheckpoint = TestModel.Llama3.Open,
                Profile = "cpu",
                Threads = 1,
                Rates = Members.Rates,
            },
            NullLogger.Instance);
        await using GrainLink link = await GrainLink.OpenAsync(silo.Member.Address, LinkPair.Identity("gateway"), Patience.Token).Soon();
        IRecordsGrain records = link.Get<IRecordsGrain>(SiloNode.RecordsKey);
        var good = new RecordPart("a", 0, new byte[] { 1, 2 });
        IReadOnlyList<RecordPart>[] bad =
        [
            null!, [null!], [good, new RecordPart(null!, 0, default)], [new RecordPart("", 0, default)],
            [new RecordPart(new string('a', 129), 0, default)],
        ];
        foreach (IReadOnlyList<RecordPart> parts in bad)
            await Assert.ThrowsAsync<GrainCallException>(() => records.AppendAsync(parts, Patience.Token).Soon());
        await Assert.ThrowsAsync<GrainCallException>(() => records.ReadAsync(null!, 0, Patience.Token).Soon());
        await Assert.ThrowsAsync<GrainCallException>(
            () => link.Get<IRecordsGrain>("others").AppendAsync([good], Patience.Token).Soon());

        // A full page of bytes that JSON has to escape fits a frame.
        byte[] page = [.. Enumerable.Repeat((byte[])[0xfb, 0xef, 0xbe], RecordsGrain.PageBytes / 3).SelectMany(bytes => bytes)];
        Assert.Equal([page.Length], await records.AppendAsync([new RecordPart("b", 0, page)], Patience.Token).Soon());
        Assert.Equal(page, (await records.ReadAsync("b", 0, Patience.Token).Soon()).Bytes.ToArray());
        Assert.Equal([2], await records.AppendAsync([good], Patience.Token).Soon());
        Assert.Equal([1, 2], (await records.ReadAsync("a", 0, Patience.Token).Soon()).Bytes.ToArray());
    }

    private async Task<int> AppendAsync(string name, int offset, params byte[] bytes) =>
        Assert.Single(await AppendAllAsync(new RecordPart(name, offset, bytes)));

    private Task<IReadOnlyList<int>> AppendAllAsync(params RecordPart[] parts) => grain.AppendAsync(parts, Patience.Token);

    private async Task<byte[]> ReadAsync(string name) => (await grain.ReadAsync(name, 0, Patience.Token)).Bytes.ToArray();
}

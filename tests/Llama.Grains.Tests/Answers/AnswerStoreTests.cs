using Llama.Grains.Answers;
using Llama.Tests;

namespace Llama.Grains.Tests.Answers;

public sealed class AnswerStoreTests
{
    private readonly ManualTime time = new();
    private readonly AnswerStore store;

    public AnswerStoreTests() => store = new AnswerStore(time);

    [Fact]
    public void Append_PartsThatFollowEachOther_BecomeOneRecord()
    {
        Assert.Equal(3, Append("a", 0, 1, 2, 3));
        Assert.Equal(5, Append("a", 3, 4, 5));
        Assert.Equal(5, Append("a", 5));
        Assert.Equal([1, 2, 3, 4, 5], Read("a"));
        Assert.Equal([1], store.Append([new RecordPart("b", 0, new byte[1])]));
        Assert.Equal(2, store.Kept.Records);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void Append_PartThatDoesNotFollow_IsNotTakenAndTheLengthIsAnswered(int offset)
    {
        Append("a", 0, 1, 2, 3);
        Assert.Equal(3, Append("a", offset, 9));
        Assert.Equal(0, Append("b", offset, 9));
        Assert.Equal([1, 2, 3], Read("a"));
        Assert.Equal(1, store.Kept.Records);
    }

    [Fact]
    public void Append_PartAtTheBeginning_BeginsTheRecordAnew()
    {
        Append("a", 0, 1, 2, 3);
        Assert.Equal(1, Append("a", 0, 9));
        Assert.Equal([9], Read("a"));
        Assert.Equal(1, store.Kept.Records);
    }

    [Fact]
    public void Append_MoreRecordsThanAreKept_TheOnesThatHaveNotChangedForLongestGo()
    {
        for (int i = 0; i < AnswerStore.Most; i++)
        {
            Append($"{i}", 0, 1);
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Append("0", 1, 2);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Append("one more", 0, 1);
        Append("and one more", 0, 1);
        Assert.Equal(AnswerStore.Most, store.Kept.Records);
        Assert.Equal([1, 2], Read("0"));
        Assert.Empty(Read("1"));
        Assert.Empty(Read("2"));
        Assert.Equal([1], Read("3"));
    }

    [Fact]
    public void Append_MoreBytesThanAreKept_StaysWithinTheBounds()
    {
        byte[] page = new byte[AnswerStore.PageBytes];
        for (int record = 0; record < 12; record++)
        {
            int length = 0;
            while (Append($"{record}", length, page) is var next && next > length) length = next;
            Assert.InRange(length, AnswerStore.MostBytesOfRecord - page.Length + 1, AnswerStore.MostBytesOfRecord);
            Assert.InRange(store.Kept.Bytes, length, 64 << 20);
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(store.Kept.Records, 4, 8);
        Assert.Empty(Read("0"));
        Assert.NotEmpty(Read("11"));
    }

    [Fact]
    public void Read_RecordThatHasNotChangedForLong_IsForgotten()
    {
        Append("a", 0, 1);
        Append("b", 0, 1);
        time.Advance(AnswerStore.KeepTime);
        Append("b", 1, 2);
        Assert.Equal([1], Read("a"));
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Empty(Read("a"));
        Assert.Equal([1, 2], Read("b"));
        Assert.Equal(1, store.Kept.Records);
        time.Advance(AnswerStore.KeepTime);
        Assert.Empty(Read("b"));
        Assert.Equal((0, 0), store.Kept);
    }

    [Fact]
    public void Read_LongRecord_ComesInPages()
    {
        byte[] bytes = new byte[(2 * AnswerStore.PageBytes) + 7];
        new Random(1).NextBytes(bytes);
        Append("a", 0, bytes);
        List<byte> read = [];
        while (read.Count < bytes.Length)
        {
            RecordPage page = store.Read(new RecordPlace("a", read.Count));
            Assert.Equal(bytes.Length, page.Length);
            Assert.InRange(page.Bytes.Length, 1, AnswerStore.PageBytes);
            read.AddRange(page.Bytes.Span);
        }

        Assert.Equal(bytes, read);
        Assert.Equal(0, store.Read(new RecordPlace("a", int.MaxValue)).Bytes.Length);
        Assert.Equal(bytes[..AnswerStore.PageBytes], store.Read(new RecordPlace("a", -5)).Bytes.ToArray());
    }

    [Fact]
    public void Append_MalformedParts_AreRefusedAndTheStoreGoesOn()
    {
        var good = new RecordPart("a", 0, new byte[] { 1, 2 });
        IReadOnlyList<RecordPart>[] bad =
        [
            null!, [null!], [good, new RecordPart(null!, 0, default)], [new RecordPart("", 0, default)],
            [new RecordPart(new string('a', 129), 0, default)],
        ];
        foreach (IReadOnlyList<RecordPart> parts in bad) Assert.ThrowsAny<ArgumentException>(() => store.Append(parts));
        Assert.Throws<ArgumentNullException>(() => store.Read(null!));
        Assert.Equal([2], store.Append([good]));
        Assert.Equal([1, 2], Read("a"));
    }

    private int Append(string name, int offset, params byte[] bytes) => Assert.Single(store.Append([new RecordPart(name, offset, bytes)]));

    private byte[] Read(string name) => store.Read(new RecordPlace(name, 0)).Bytes.ToArray();
}

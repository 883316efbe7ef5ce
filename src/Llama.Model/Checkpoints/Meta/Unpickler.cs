using System.Buffers.Binary;
using System.Text;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>
/// Reads the pickle of a checkpoint: the part of Python's pickle protocols 2 to 5 that <c>torch.save</c> needs for a dictionary of
/// tensors. Every other opcode, and every class but those of <see cref="TorchObjects"/>, is refused by name; nothing is ever called.
/// Opcodes as in Python's <c>pickletools</c>. Tuples become <c>object?[]</c>, whole numbers <c>long</c>, dictionaries
/// <see cref="PickledDictionary"/>.
/// </summary>
internal ref struct Unpickler
{
    /// <summary>
    /// Most bytes of a pickle. The largest release takes 100 kB; what a pickle can make us allocate is at most some two
    /// hundred times its size.
    /// </summary>
    public const int LargestPickle = 1 << 20;

    private const int LongestText = 1024;

    private readonly string file;
    private readonly ReadOnlySpan<byte> bytes;
    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<uint, object?> memo = [];
    private int at;
    private int opcodeAt;

    private Unpickler(ReadOnlySpan<byte> bytes, string file)
    {
        this.bytes = bytes;
        this.file = file;
    }

    /// <summary>Reads the one value that a pickle holds.</summary>
    /// <param name="bytes">The pickle.</param>
    /// <param name="file">What it is called in messages.</param>
    /// <exception cref="CheckpointException">It is cut off, damaged, or holds more than a dictionary of tensors.</exception>
    public static object? Load(ReadOnlySpan<byte> bytes, string file)
    {
        if (bytes.Length > LargestPickle)
            throw new CheckpointException($"{file}: found {bytes.Length} bytes, expected at most {LargestPickle}");
        return new Unpickler(bytes, file).Run();
    }

    private object? Run()
    {
        while (true)
        {
            opcodeAt = at;
            byte opcode = Take(1)[0];
            switch (opcode)
            {
                case 0x80: // PROTO
                    if (Take(1)[0] is var protocol and (< 2 or > 5)) throw Fault($"found pickle protocol {protocol}, expected 2 to 5");
                    break;
                case 0x95: // FRAME: its length only helps readers of streams
                    Take(8);
                    break;
                case (byte)'(': // MARK
                    marks.Add(stack.Count);
                    break;
                case (byte)'.': // STOP
                    return Pop();
                case (byte)'}': // EMPTY_DICT
                    stack.Add(new PickledDictionary());
                    break;
                case (byte)')': // EMPTY_TUPLE
                    stack.Add(Array.Empty<object?>());
                    break;
                case (byte)'t': // TUPLE
                    stack.Add(PopToMark());
                    break;
                case 0x85 or 0x86 or 0x87: // TUPLE1, TUPLE2, TUPLE3
                    stack.Add(PopMany(opcode - 0x84));
                    break;
                case (byte)'N': // NONE
                    stack.Add(null);
                    break;
                case 0x88 or 0x89: // NEWTRUE, NEWFALSE
                    stack.Add(opcode == 0x88);
                    break;
                case (byte)'K': // BININT1
                    stack.Add((long)Take(1)[0]);
                    break;
                case (byte)'M': // BININT2
                    stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                    break;
                case (byte)'J': // BININT
                    stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                    break;
                case 0x8a: // LONG1
                    stack.Add(Long(Take(Take(1)[0])));
                    break;
                case (byte)'X': // BINUNICODE
                    stack.Add(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                    break;
                case 0x8c: // SHORT_BINUNICODE
                    stack.Add(Text(Take(1)[0]));
                    break;
                case (byte)'q': // BINPUT
                    memo[Take(1)[0]] = Top();
                    break;
                case (byte)'r': // LONG_BINPUT
                    memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Top();
                    break;
                case 0x94: // MEMOIZE
                    memo[(uint)memo.Count] = Top();
                    break;
                case (byte)'h': // BINGET
                    stack.Add(Recall(Take(1)[0]));
                    break;
                case (byte)'j': // LONG_BINGET
                    stack.Add(Recall(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                    break;
                case (byte)'c': // GLOBAL
                    stack.Add(Global(Line(), Line()));
                    break;
                case 0x93: // STACK_GLOBAL
                    object?[] moduleAndName = PopMany(2);
                    stack.Add(Global(moduleAndName[0] as string, moduleAndName[1] as string));
                    break;
                case (byte)'Q': // BINPERSID
                    stack.Add(TorchObjects.Storage(Pop()) ?? throw Fault("found a reference that is not to a storage of a known type"));
                    break;
                case (byte)'R': // REDUCE
                    object?[] call = PopMany(2);
                    stack.Add(TorchObjects.Build(call[0], call[1])
                        ?? throw Fault("found a call whose arguments do not make a tensor or an empty ordered dictionary"));
                    break;
                case (byte)'b': // BUILD: attributes of an ordered dictionary, such as the versions of PyTorch's modules
                    Pop();
                    if (Top() is not PickledDictionary) throw Fault("found attributes (BUILD) of something other than a dictionary");
                    break;
                case (byte)'s': // SETITEM
                    SetItems(PopMany(2));
                    break;
                case (byte)'u': // SETITEMS
                    SetItems(PopToMark());
                    break;
                default:
                    throw Fault($"found opcode {PickleOpcodes.Name(opcode)}, which a checkpoint has no use for: refused");
            }
        }
    }

    private void SetItems(object?[] items)
    {
        if (Top() is not PickledDictionary dictionary || items.Length % 2 != 0)
            throw Fault("found items of something other than a dictionary");
        for (int i = 0; i < items.Length; i += 2)
            dictionary.Set(items[i] as string ?? throw Fault("found a key that is not a text"), items[i + 1]);
    }

    private object Global(string? module, string? name) =>
        TorchObjects.Global($"{module}.{name}")
        ?? throw Fault(
            $"found {Excerpt.Of($"{module}.{name}")}, expected only tensors, storages and ordered dictionaries: refused, nothing was run");

    // Two's complement, lowest byte first; no bytes at all are 0.
    private readonly long Long(ReadOnlySpan<byte> little)
    {
        if (little.Length > 8) throw Fault($"found a number of {little.Length} bytes, expected at most 8");
        long value = little.Length > 0 && (sbyte)little[^1] < 0 ? -1 : 0;
        for (int i = little.Length - 1; i >= 0; i--) value = (value << 8) | little[i];
        return value;
    }

    private string Text(uint length)
    {
        if (length > LongestText) throw Fault($"found a text of {length} bytes, expected at most {LongestText}");
        return Encoding.UTF8.GetString(Take((int)length));
    }

    private string Line()
    {
        int length = bytes[at..].IndexOf((byte)'\n');
        if (length is < 0 or > LongestText) throw Fault($"found a name without an end, expected one of at most {LongestText} bytes");
        return Encoding.UTF8.GetString(Take(length + 1)[..length]);
    }

    private object? Recall(uint index) =>
        memo.TryGetValue(index, out object? value) ? value : throw Fault($"found a reference to value {index} before that");

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > bytes.Length - at) throw Fault($"found the end of the pickle within a value: {WrongDownload.Truncated}");
        at += count;
        return bytes.Slice(at - count, count);
    }

    private readonly object? Top() => Available() > 0 ? stack[^1] : throw Fault("found an operation on a value that is not there");

    private readonly int Available() => stack.Count - (marks.Count > 0 ? marks[^1] : 0);

    private object? Pop() => PopMany(1)[0];

    private object?[] PopToMark()
    {
        if (marks.Count == 0) throw Fault("found the end of a group that was not begun");
        object?[] values = PopMany(Available());
        marks.RemoveAt(marks.Count - 1);
        return values;
    }

    private readonly object?[] PopMany(int count)
    {
        if (count > Available()) throw Fault("found an operation on a value that is not there");
        object?[] values = new object?[count];
        stack.CopyTo(stack.Count - count, values, 0, count);
        stack.RemoveRange(stack.Count - count, count);
        return values;
    }

    private readonly CheckpointException Fault(string found) => new($"{file}, byte {opcodeAt}: {found}");
}

namespace Llama.Model.Checkpoints.Meta;

/// <summary>A dictionary in a pickle, ordered or not; made when its first item comes, because a pickle may name many empty ones.</summary>
internal sealed class PickledDictionary
{
    private Dictionary<string, object?>? items;

    /// <summary>The items.</summary>
    public IReadOnlyDictionary<string, object?> Items => items ??= new(StringComparer.Ordinal);

    /// <summary>Adds an item, or replaces the one of this name, as Python does.</summary>
    public void Set(string name, object? value) => (items ??= new(StringComparer.Ordinal))[name] = value;
}

/// <summary>A storage's type: what <c>torch.HalfStorage</c> and its like stand for.</summary>
/// <param name="Name"><c>F32</c>, <c>F16</c>, <c>BF16</c>, or torch's name for one that cannot be used.</param>
/// <param name="ElementBytes">Bytes of an element.</param>
internal sealed record TorchStorageType(string Name, int ElementBytes);

/// <summary>Elements in an entry <c>data/KEY</c> of the zip file.</summary>
/// <param name="Type">Their type.</param>
/// <param name="Key">Name of the entry below <c>data/</c>.</param>
/// <param name="Elements">How many there are.</param>
internal sealed record TorchStorage(TorchStorageType Type, string Key, long Elements);

/// <summary>A tensor: a view of a storage.</summary>
/// <param name="Storage">Where its elements lie.</param>
/// <param name="Offset">Its first element in the storage.</param>
/// <param name="Shape">Its dimensions, none negative.</param>
/// <param name="Strides">Elements from one index to the next, in every dimension.</param>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>What the pickle of a checkpoint may name, and what it makes: all of it data, none of it code.</summary>
internal static class TorchObjects
{
    private const int MostDimensions = 8;

    private enum Function
    {
        OrderedDictionary,
        RebuildTensor,
        RebuildParameter,
    }

    private static readonly Dictionary<string, object> Known = new(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = Function.OrderedDictionary,
        ["torch._utils._rebuild_tensor_v2"] = Function.RebuildTensor,
        ["torch._utils._rebuild_parameter"] = Function.RebuildParameter,
        ["torch.FloatStorage"] = new TorchStorageType("F32", 4),
        ["torch.HalfStorage"] = new TorchStorageType("F16", 2),
        ["torch.BFloat16Storage"] = new TorchStorageType("BF16", 2),
        ["torch.DoubleStorage"] = new TorchStorageType("torch.DoubleStorage", 8),
        ["torch.LongStorage"] = new TorchStorageType("torch.LongStorage", 8),
        ["torch.IntStorage"] = new TorchStorageType("torch.IntStorage", 4),
        ["torch.ShortStorage"] = new TorchStorageType("torch.ShortStorage", 2),
        ["torch.CharStorage"] = new TorchStorageType("torch.CharStorage", 1),
        ["torch.ByteStorage"] = new TorchStorageType("torch.ByteStorage", 1),
        ["torch.BoolStorage"] = new TorchStorageType("torch.BoolStorage", 1),
    };

    /// <summary>What a qualified name stands for, or null for any that is not known.</summary>
    public static object? Global(string name) => Known.GetValueOrDefault(name);

    /// <summary>The storage that an id <c>("storage", type, key, device, elements)</c> refers to, or null if it is none.</summary>
    public static TorchStorage? Storage(object? id) =>
        id is object?[] and ["storage", TorchStorageType type, string key, string, long and >= 0 and var elements]
            ? new(type, key, elements)
            : null;

    /// <summary>What calling a known function would return, or null if the arguments do not fit it.</summary>
    public static object? Build(object? function, object? arguments) => (function, arguments) switch
    {
        (Function.OrderedDictionary, object?[] and []) => new PickledDictionary(),
        (Function.RebuildTensor,
            object?[] and [TorchStorage storage, long and >= 0 and var offset, object?[] shape, object?[] strides, bool, ..])
            when shape.Length == strides.Length && Numbers(shape) is { } shapeNumbers && Numbers(strides) is { } strideNumbers =>
            new TorchTensor(storage, offset, shapeNumbers, strideNumbers),
        (Function.RebuildParameter, object?[] and [TorchTensor data, ..]) => data,
        _ => null,
    };

    private static long[]? Numbers(object?[] values)
    {
        if (values.Length > MostDimensions) return null;
        long[] numbers = new long[values.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (values[i] is not long and not < 0) return null;
            numbers[i] = (long)values[i]!;
        }

        return numbers;
    }
}

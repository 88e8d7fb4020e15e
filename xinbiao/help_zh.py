"""简体中文 of the help: every text that `xinbiao --help` shows, by its English.

Names of options, files and formats stay as they are typed. `tests/unit/test_cli_words.py` holds that no
help text is missing here and that nothing is translated that does not exist.
"""

from typing import Final

HELP_ZH: Final = {
    # ---- options of all commands
    "Folder of settings, keys and trust files": "存放设置、密钥和信任文件的文件夹",
    "Which network": "使用哪个网络",
    "Print results as JSON": "以 JSON 输出结果",
    "Show what would happen, change nothing": "只显示将要做什么，不作任何更改",
    "Ask nothing": "不再询问",
    "Language of results": "结果和帮助的语言",
    "Log what happens": "记录运行日志",
    # ---- Start
    "Start": "开始",
    "Node, broker, gateway agent and plant in one command, and a proof of it all.": (
        "一条命令启动节点、MQTT 服务、网关代理和模拟工厂，并全程给出证明。"
    ),
    "End after the tour": "演示结束后退出",
    "Your own CSV series (SKAB or NAB format)": "您自己的 CSV 序列（SKAB 或 NAB 格式）",
    "Make a network of one member and a lab prefix; asks nothing.": (
        "建立单成员网络和实验前缀，不提任何问题。"
    ),
    "Name of the network": "网络名称",
    "Port of the node on this machine": "本机上节点的端口",
    "Look for what may be wrong, and say what to do.": "检查可能的问题，并说明怎么处理。",
    "Where the node stands, how fast it grows, and when quota and disk are full.": (
        "节点的状态、增长速度，以及配额和磁盘何时用完。"
    ),
    # ---- Ask
    "Ask": "查询",
    "What an identifier is now, proved; exit code 3 when it is proved absent.": (
        "标识现在是什么，附证明；证明不存在时退出码为 3。"
    ),
    "An identifier, as you have it": "标识，按您手头的写法即可",
    "Show what was proved; with -o keep the proof": "显示证明了什么；加 -o 则保存证明",
    "Write the proof to FILE": "把证明写入文件",
    "Every version of a record, or the one of a moment, proved.": (
        "记录的所有版本，或某一时刻的版本，附证明。"
    ),
    "The version of a log size or a time": "某一日志长度或时间的版本",
    "Readings of an identifier; --stream and --prove prove any one of them.": (
        "标识的读数；用 --stream 和 --prove 可证明其中任何一条。"
    ),
    "RFC 3339, or Unix microseconds": "RFC 3339 时间，或 Unix 微秒",
    "Until then": "截止时间",
    "At most so many": "最多多少条",
    "Where the page before ended": "上一页结束的位置",
    "Gateway of the reading to prove": "要证明的读数所属的网关",
    "Prove one reading": "证明一条读数",
    "Judge a proof without a network: the question is yours, never the file's.": (
        "离线验证一份证明：问题由您提出，绝不取自文件。"
    ),
    "A proof bundle, CBOR or JSON": "证明文件，CBOR 或 JSON",
    "The identifier you asked about": "您所查询的标识",
    "Whom to believe": "信任文件",
    "current, history or reading": "current、history 或 reading",
    "Moment of a history": "历史版本的时刻",
    "present: anything else is exit code 1": "present：其他结论的退出码为 1",
    "Say in plain text what is in a file.": "用文字说明文件里有什么。",
    "A proof, a statement, or an .xbs": "证明、声明，或 .xbs 文件",
    # ---- Register
    "Register": "注册",
    "Register an identifier, or every row of a table; what is registered is public for ever.": (
        "注册一个标识，或表格的每一行；注册的内容永久公开。"
    ),
    "An identifier, or a csv table": "标识，或 csv 表格",
    "A value; may be repeated": "一个值，可重复",
    "Of a table: 'lab.1/{part_no}'": "用于表格：'lab.1/{part_no}'",
    "Prefix that registers; else the context's": "以哪个前缀注册；默认取当前网络的前缀",
    "Key file that signs": "用于签名的密钥文件",
    "Put or remove values of a record.": "写入或删除记录的值。",
    "Remove a value; may be repeated": "删除一个值，可重复",
    "End a record for ever: it is read and proved as retired, and takes no more changes.": (
        "永久停用一条记录：仍可查询并证明为已停用，但不再接受更改。"
    ),
    "unstated, end-of-life, registered-in-error, replaced, ordered": (
        "unstated 未说明、end-of-life 报废、registered-in-error 误注册、replaced 已替换、ordered 奉命"
    ),
    # ---- Run
    "Run": "运行",
    "One member's node": "一个成员的节点",
    "Run the node of node.toml until Ctrl-C or SIGTERM.": (
        "运行 node.toml 所述的节点，直到 Ctrl-C 或 SIGTERM。"
    ),
    "Look at node.toml, keys, disk and port without starting anything.": (
        "检查 node.toml、密钥、磁盘和端口，不启动任何东西。"
    ),
    "The gateway agent": "网关代理",
    "Look at agent.toml, or at what one message would become.": (
        "检查 agent.toml，或查看一条消息会变成什么。"
    ),
    "Show what a message of this topic becomes": "显示此主题的一条消息会变成什么",
    "The message's payload": "消息的内容",
    "Do not connect to broker and node": "不连接 MQTT 服务和节点",
    "Run the gateway agent of agent.toml until Ctrl-C or SIGTERM.": (
        "运行 agent.toml 所述的网关代理，直到 Ctrl-C 或 SIGTERM。"
    ),
    "Where the gateway agent stands, as it last wrote.": "网关代理最近一次写下的状态。",
    # ---- Own
    "Own": "管理",
    "Keys of a prefix, and their files": "前缀的密钥及其文件",
    "Make a key file; with --role also list it in the prefix's key list.": (
        "生成密钥文件；加 --role 则同时登记到前缀的密钥表。"
    ),
    "Name of the key file": "密钥文件的名称",
    "List it with this role; may be repeated": "以此角色登记，可重复",
    "Ed25519 or P-256": "Ed25519 或 P-256",
    "Log index at which it ends": "在哪个日志序号失效",
    "Whose key list; else the context's": "哪个前缀的密钥表；默认取当前网络的前缀",
    "Key files here, and what the prefix's list says of each.": (
        "本地的密钥文件，以及前缀密钥表中的状态。"
    ),
    "Replace a key: a new file with the same roles is listed, the old one revoked, in one statement.": (
        "更换密钥：在同一条声明中登记同样角色的新密钥，并撤销旧密钥。"
    ),
    "Key file to replace": "要更换的密钥文件",
    "Revoke a key for ever; what it signed before stays valid.": (
        "永久撤销一个密钥；此前的签名仍然有效。"
    ),
    "Key file, or kid in hex": "密钥文件，或十六进制的 kid",
    "rotated, lost, compromised, role-ended, ordered": (
        "rotated 更换、lost 丢失、compromised 泄露、role-ended 卸任、ordered 奉命"
    ),
    "Log index from which it is doubtful": "从哪个日志序号起存疑",
    "Prefixes and who owns them": "前缀及其所有者",
    "Give a prefix below yours to its owner, for ever.": "把您名下的一个前缀永久授予其所有者。",
    "The new prefix, lab.1.5": "新前缀，如 lab.1.5",
    "Its owner, for people": "所有者的名称",
    "Its owner's public key, PEM": "所有者的公钥，PEM",
    "Another public key and its role": "另一个公钥及其角色",
    "Objects it may create": "可创建的对象数",
    "Bytes of log it may use": "可使用的日志字节数",
    "Who owns a prefix, with which keys, and how much of its quota is used.": (
        "前缀的所有者、密钥，以及配额用了多少。"
    ),
    # ---- Try
    "Try": "试用",
    "Things to try with": "试用工具",
    "Publish a plant's readings over MQTT, QoS 1.": "通过 MQTT（QoS 1）发布一座工厂的读数。",
    "The broker's host": "MQTT 服务的主机",
    "The broker's port": "MQTT 服务的端口",
    "CSV series (SKAB or NAB format)": "CSV 序列（SKAB 或 NAB 格式）",
    "So many synthetic machines instead": "改用多少台合成机器",
    "1 is real time, 0 as fast as the broker takes": "1 为实时，0 为尽可能快",
    "Time zone of stamps that have none": "无时区时间戳所用的时区",
}
